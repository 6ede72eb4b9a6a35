"""Every setting comes from the environment; README.md lists the variables."""

import os
import sys
from pathlib import Path

from antisocial import env

BASE_DIR = Path(__file__).resolve().parent.parent
TESTING = sys.argv[1:2] == ["test"]
DEBUG = env.flag(os.environ, "DEBUG")
SECRET_KEY = env.secret_key(os.environ, throwaway=DEBUG or TESTING)

# What outlives a release: the database, the queue, the schedule.
DATA = Path(os.environ.get("PAWL_DATA") or BASE_DIR / "var").resolve()
if not TESTING:
    DATA.mkdir(parents=True, exist_ok=True)

RELEASE = os.environ.get("PAWL_RELEASE", "")
FETCH_EVERY_S = env.positive_int(os.environ, "FETCH_EVERY_S", 900)
FETCH_TIMEOUT_S = env.positive_int(os.environ, "FETCH_TIMEOUT_S", 20)
FETCH_MAX_BYTES = env.positive_int(os.environ, "FETCH_MAX_BYTES", 5_000_000)
FETCH_CONCURRENCY = env.positive_int(os.environ, "FETCH_CONCURRENCY", 32)
FETCH_HOST_PAUSE_S = 1.0
# Networks that are not public and may be fetched from all the same: a company's own, or a test's.
FETCH_ALLOW_NETWORKS = env.networks(os.environ, "FETCH_ALLOW_NETWORKS")
PARSE_PROCESSES = env.whole_number(os.environ, "PARSE_PROCESSES", 2)

LOOK_FOR_NEWS_S = env.positive_int(os.environ, "LOOK_FOR_NEWS_S", 30)
DATA_UPLOAD_MAX_NUMBER_FIELDS = 20_000  # reader apps mark thousands of entries in one call

# The proxy terminates TLS and is the only one who can reach the socket, so its word is taken.
ALLOWED_HOSTS = env.words(os.environ, "ALLOWED_HOSTS", ".localhost,localhost,127.0.0.1")
CSRF_TRUSTED_ORIGINS = env.words(os.environ, "CSRF_TRUSTED_ORIGINS")
USE_X_FORWARDED_HOST = False
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
CSRF_COOKIE_SECURE = SESSION_COOKIE_SECURE = env.flag(os.environ, "SECURE_COOKIES")

# One reader and no accounts: whoever reaches it is that reader.
SOLO = env.flag(os.environ, "SOLO")
LOGIN_URL = "reader:login"
LOGIN_REDIRECT_URL = "reader:stream"
LOGOUT_REDIRECT_URL = "reader:login"
SESSION_COOKIE_AGE = 90 * 86400
# Without accounts, the first visitor makes one, whether or not others may.
SIGN_UP_CLOSED = env.flag(os.environ, "SIGN_UP_CLOSED")
FIRST_USER, FIRST_PASSWORD = os.environ.get("FIRST_USER", ""), os.environ.get("FIRST_PASSWORD", "")
PASSWORD_RESET_TIMEOUT = 86400
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
if TESTING:
    PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "reader",
]
MESSAGE_STORAGE = "django.contrib.messages.storage.cookie.CookieStorage"
MIDDLEWARE = [
    "reader.middleware.headers",
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "reader.middleware.solo",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "antisocial.urls"
WSGI_APPLICATION = "antisocial.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

DATABASES = {"default": env.database(os.environ.get("DATABASE_URL", ""), DATA) | {"CONN_MAX_AGE": 60}}
vars().update(env.mail(os.environ.get("EMAIL_URL", "")))
DEFAULT_FROM_EMAIL = SERVER_EMAIL = os.environ.get("EMAIL_FROM") or "antisocial@localhost"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Collected beside the code: each release has its own manifest, and what it links to goes and comes with it.
STATIC_ROOT = Path(os.environ.get("STATIC_ROOT") or BASE_DIR / "staticfiles")
STATIC_BUCKET = os.environ.get("AWS_STORAGE_BUCKET_NAME", "")
STATIC_URL = env.static_url(os.environ)
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
if STATIC_BUCKET:
    STORAGES["staticfiles"] = {"BACKEND": "antisocial.storage.BucketStorage", "OPTIONS": env.bucket(os.environ)}
elif not (DEBUG or TESTING):
    MIDDLEWARE.insert(2, "whitenoise.middleware.WhiteNoiseMiddleware")
    STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"}

USE_TZ = True
TIME_ZONE = os.environ.get("TIME_ZONE", "UTC")
LANGUAGE_CODE = "en-gb"
USE_I18N = False

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"format": "%(levelname)s %(name)s: %(message)s"},
        "json": {"()": "antisocial.logs.JsonFormatter", "release": RELEASE},
    },
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "formatter": env.one_of(os.environ, "LOG_FORMAT", "line", "json"),
            "level": "CRITICAL" if TESTING else "NOTSET",  # tests provoke warnings; theirs would hide a real one
        }
    },
    "loggers": {
        "httpx": {"level": "WARNING"},  # the task's own line says what came of a fetch
        "reader": {"level": "INFO"},
        "celery": {"level": "INFO"},
    },
    "root": {"handlers": ["stderr"], "level": "WARNING"},
}

# A worker that is killed loses the few messages it holds; feeds that are due are found again in the database.
QUEUE = DATA / "queue"
CELERY_BROKER_URL = os.environ.get("CELERY_BROKER_URL") or os.environ.get("BROKER_URL") or "folder://localhost"
if CELERY_BROKER_URL.startswith("folder:"):
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": QUEUE / "messages",
        "data_folder_out": QUEUE / "messages",
        "processed_folder": QUEUE / "taken",
        "control_folder": QUEUE / "control",
        "polling_interval": 0.5,
    }
elif CELERY_BROKER_URL.startswith(("amqp", "pyamqp")):
    # A task counts as queued when the broker has said that it has it.
    CELERY_BROKER_TRANSPORT_OPTIONS = {"confirm_publish": True}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TASK_ALWAYS_EAGER = TESTING
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 1}
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_TIMEZONE = TIME_ZONE
CELERY_BEAT_SCHEDULE_FILENAME = str(DATA / "celerybeat-schedule")
CELERY_BEAT_SCHEDULE = {
    "fetch what is due": {
        "task": "reader.tasks.fetch_due",
        "schedule": env.positive_int(os.environ, "FETCH_ROUND_S", 60),
        # While no worker runs, rounds must not pile up.
        "options": {"expires": 60},
    },
    "tidy up": {"task": "reader.tasks.tidy_up", "schedule": 24 * 3600, "options": {"expires": 24 * 3600}},
}
