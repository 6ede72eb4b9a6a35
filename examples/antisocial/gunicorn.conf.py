"""How gunicorn serves, wherever it is started: on the socket or the port that it is given, else on port 8000."""

import os

bind = f"unix:{os.environ['SOCKET']}" if os.environ.get("SOCKET") else f"0.0.0.0:{os.environ.get('PORT') or 8000}"
workers = int(os.environ.get("WEB_CONCURRENCY") or 1)
threads = int(os.environ.get("WEB_THREADS") or 4)
graceful_timeout = 25
control_socket_disable = True
