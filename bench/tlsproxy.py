#!/usr/bin/env python3
"""A TLS proxy in front of a plain server on loopback. As at AWS's endpoints, its certificate chain has three RSA 2048
certificates; the root is created for this run. Runs in the benchmarks' virtual environment.

  tlsproxy.py PORT ROOT.pem      forwards to 127.0.0.1:PORT; writes the root's certificate, prints its own port, runs until killed
"""
import selectors
import socket
import ssl
import sys
import threading

import trustme


def forward(client, upstream):
    """Forwards bytes in both directions until one side closes. One thread does both, because two threads must not use a TLS object at once."""
    with client, upstream, selectors.DefaultSelector() as ready:
        ready.register(client, selectors.EVENT_READ)
        ready.register(upstream, selectors.EVENT_READ)
        while True:
            for key, _ in ready.select():
                source, sink = (client, upstream) if key.fileobj is client else (upstream, client)
                data = source.recv(65536)
                while source is client and client.pending():
                    data += client.recv(client.pending())
                if not data:
                    return
                sink.sendall(data)


def serve(stream, context, port):
    try:
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client = context.wrap_socket(stream, server_side=True)
        upstream = socket.create_connection(("127.0.0.1", port))
        upstream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        forward(client, upstream)
    except OSError:  # the measured program was killed
        stream.close()


def main():
    port, root = int(sys.argv[1]), sys.argv[2]
    rsa = trustme.KeyType.RSA
    authority = trustme.CA(key_type=rsa)
    leaf = authority.create_child_ca(key_type=rsa).issue_cert("127.0.0.1", "localhost", key_type=rsa)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf.configure_cert(context)
    authority.cert_pem.write_to_path(root)
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        print(listener.getsockname()[1], flush=True)
        while True:
            stream, _ = listener.accept()
            threading.Thread(target=serve, args=(stream, context, port), daemon=True).start()


if __name__ == "__main__":
    main()
