"""What gunicorn serves."""

import os

from django.core.wsgi import get_wsgi_application

from antisocial import reporting

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "antisocial.settings")
reporting.start()
application = get_wsgi_application()
