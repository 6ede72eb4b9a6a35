from __future__ import annotations

from django import forms
from django.core.exceptions import ValidationError

from reader.models import URL_LENGTH, Feed

NOT_AN_ADDRESS = "This is not the address of a feed: one begins with http:// or https://."


class SubscribeForm(forms.ModelForm):
    """The address of a feed that is not subscribed to yet."""

    url = forms.URLField(
        label="Address of the feed",
        max_length=URL_LENGTH,
        assume_scheme="https",
        widget=forms.URLInput(attrs={"placeholder": "https://example.org/feed.xml", "autocomplete": "off"}),
        error_messages={
            "invalid": NOT_AN_ADDRESS,
            "required": "Type or paste the address of a feed.",
            "unique": "You are subscribed to this feed already.",
        },
    )

    class Meta:
        model = Feed
        fields = ["url"]

    def clean_url(self) -> str:
        url = self.cleaned_data["url"]
        if not url.startswith(("http://", "https://")):  # the field itself would take ftp
            raise ValidationError(NOT_AN_ADDRESS)
        return url
