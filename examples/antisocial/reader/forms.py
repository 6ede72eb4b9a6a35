from __future__ import annotations

from django import forms
from django.core.exceptions import ValidationError

from reader.models import URL_LENGTH
from reader.text import feed_url

NOT_AN_ADDRESS = "This is not the address of a feed: one begins with http:// or https://."


class SubscribeForm(forms.Form):
    """The address of a feed, or of a site that has one."""

    url = forms.CharField(
        label="Address of the feed",
        max_length=URL_LENGTH,
        widget=forms.URLInput(attrs={"placeholder": "https://example.org/feed.xml", "autocomplete": "off"}),
        error_messages={"required": "Type or paste the address of a feed."},
    )

    def clean_url(self) -> str:
        try:
            url = feed_url(self.cleaned_data["url"])
        except ValueError as error:
            raise ValidationError(NOT_AN_ADDRESS) from error
        if len(url) > URL_LENGTH:
            raise ValidationError(NOT_AN_ADDRESS)
        return url
