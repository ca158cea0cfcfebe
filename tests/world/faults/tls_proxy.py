"""Puts TLS in front of a PostgreSQL that has none: `python tls_proxy.py PORT CERT KEY HOST HOST_PORT`."""

import contextlib
import select
import socket
import ssl
import sys
import threading

SSL_REQUEST = (80877103).to_bytes(4, "big")
SIZE = 1 << 16


def relay(client, database):
    """Pass bytes on until either side ends. A record that does not fit its stream ends it, with OpenSSL's alert."""
    with contextlib.suppress(OSError):
        while True:
            ready = [client] if client.pending() else select.select([client, database], [], [])[0]
            for one in ready:
                data = one.recv(SIZE)
                if not data:
                    return
                (database if one is client else client).sendall(data)


def serve(plain, context, address):
    """Answer libpq's question for TLS with yes, then speak plainly to the database."""
    with contextlib.suppress(OSError), plain:
        if plain.recv(8)[4:] != SSL_REQUEST:
            return
        plain.sendall(b"S")
        with context.wrap_socket(plain, server_side=True) as client, socket.create_connection(address) as database:
            relay(client, database)


def main(port, cert, key, host, host_port):
    """Serve for good."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    with socket.create_server(("127.0.0.1", int(port))) as listener:
        while True:
            plain, _ = listener.accept()
            threading.Thread(target=serve, args=(plain, context, (host, int(host_port))), daemon=True).start()


if __name__ == "__main__":
    main(*sys.argv[1:])
