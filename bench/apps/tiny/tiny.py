"""The smallest web app of the standard library: twenty of them fit beside what is measured."""

import os
import socket

server = socket.socket(socket.AF_UNIX)
server.bind(os.environ["SOCKET"])
server.listen(64)
while True:
    connection, _ = server.accept()
    with connection:
        connection.recv(65_536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n")
