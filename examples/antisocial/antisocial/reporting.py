"""Errors to Sentry and traces by OpenTelemetry, each only where its settings are, and loaded only then."""

from __future__ import annotations

import os
from collections.abc import Mapping

from django.core.exceptions import ImproperlyConfigured

_started: set[str] = set()


def start(environ: Mapping[str, str] | None = None) -> set[str]:
    """Begin to report what the environment asks for; which that is. Once for each process, however often it is called.

    Raises ImproperlyConfigured if what is asked for is not installed.
    """
    environ = os.environ if environ is None else environ
    if environ.get("SENTRY_DSN") and "sentry" not in _started:
        _start_sentry(environ)
        _started.add("sentry")
    if _traces_endpoint(environ) and "otel" not in _started:
        _start_otel(environ)
        _started.add("otel")
    return set(_started)


def _traces_endpoint(environ: Mapping[str, str]) -> str:
    return environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "") or environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "")


def _start_sentry(environ: Mapping[str, str]) -> None:
    try:
        import sentry_sdk
    except ImportError as error:
        raise _missing("SENTRY_DSN", "sentry") from error
    rate = environ.get("SENTRY_TRACES_SAMPLE_RATE", "") or "0"
    try:
        sample_rate = float(rate)
    except ValueError as error:
        raise ImproperlyConfigured(f"SENTRY_TRACES_SAMPLE_RATE must be from 0 to 1, not {rate!r}") from error
    sentry_sdk.init(
        dsn=environ["SENTRY_DSN"],
        release=environ.get("PAWL_RELEASE") or None,
        environment=environ.get("SENTRY_ENVIRONMENT") or "production",
        traces_sample_rate=sample_rate,
        send_default_pii=False,
        include_local_variables=False,  # they hold what users read
    )


def _start_otel(environ: Mapping[str, str]) -> None:
    try:
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.instrumentation.celery import CeleryInstrumentor
        from opentelemetry.instrumentation.django import DjangoInstrumentor
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise _missing("OTEL_EXPORTER_OTLP_ENDPOINT", "otel") from error
    about = {"service.name": environ.get("OTEL_SERVICE_NAME") or "antisocial"}
    if release := environ.get("PAWL_RELEASE"):
        about["service.version"] = release
    provider = TracerProvider(resource=Resource.create(about))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    DjangoInstrumentor().instrument(excluded_urls="healthz,smoketest")
    CeleryInstrumentor().instrument()


def _missing(variable: str, extra: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(f"{variable} is set, but its package is not installed: uv sync --extra {extra}")
