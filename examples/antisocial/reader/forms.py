from __future__ import annotations

from django import forms
from django.contrib.auth.forms import BaseUserCreationForm
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile

from reader import opml
from reader.models import URL_LENGTH
from reader.text import feed_url

NOT_AN_ADDRESS = "This is not the address of a feed: one begins with http:// or https://."


class SubscribeForm(forms.Form):
    """The address of a feed, or of a site that has one."""

    url = forms.CharField(
        label="Address of a feed, or of the site that has one",
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


class ImportForm(forms.Form):
    """An OPML file, or a zip that holds one; ``outlines`` are its feeds once it is valid."""

    file = forms.FileField(
        label="OPML file of another reader, or a zip with it",
        widget=forms.FileInput(attrs={"accept": ".opml,.xml,.zip"}),
        error_messages={"required": "Choose a file first."},
    )
    outlines: list[opml.Outline]

    def clean_file(self) -> UploadedFile:
        file = self.cleaned_data["file"]
        try:
            self.outlines = opml.read(file)
        except opml.OpmlError as error:
            raise ValidationError(str(error)) from error
        return file


class SignUpForm(BaseUserCreationForm):
    """A new account."""

    class Meta(BaseUserCreationForm.Meta):
        fields = ["username", "email"]

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].help_text = "Letters, digits and . @ + - _"
        self.fields["email"].help_text = "For a forgotten password, and for nothing else. It may be left out."

    def clean_username(self) -> str:
        name = self.cleaned_data["username"]
        if User.objects.filter(username__iexact=name).exclude(pk=self.instance.pk).exists():
            raise ValidationError("This name is taken.")
        return name


class AccountForm(forms.ModelForm):
    """What can be changed of an account."""

    class Meta:
        model = User
        fields = ["email"]
