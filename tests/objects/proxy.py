"""A proxy between decant and an S3 server that does to requests and answers what networks and servers do."""

import http.client
import re
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BUSY = b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"


class Rule:
    """What is done to the requests that `pattern` finds in "METHOD /path?query": to the first `times`, or to each `every`th."""

    def __init__(self, fault, pattern, times=None, every=None):
        self.fault, self.pattern, self.times, self.every = fault, re.compile(pattern), times, every
        self.seen = self.done = 0

    def applies(self, line):
        if not self.pattern.search(line):
            return False
        self.seen += 1
        now = self.seen % self.every == 0 if self.every else self.times is None or self.done < self.times
        self.done += now
        return now


class Proxy:
    """Forwards to `server` (host, port). `log` holds (method, path with query, status, bytes) of every request."""

    def __init__(self, server):
        self.server, self.rules, self.log, self.lock = server, [], [], threading.Lock()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Headers and body go out as two writes, which Nagle's algorithm would hold apart.
            disable_nagle_algorithm = True

            def log_message(self, *_):
                pass

            def handle_any(self):
                proxy.handle(self)

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_any

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, *_):
                pass  # a client that went away

        self.http = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def fault(self, *args, **kwargs):
        rule = Rule(*args, **kwargs)
        with self.lock:
            self.rules.append(rule)
        return rule

    def clear(self):
        with self.lock:
            self.rules, self.log = [], []

    def count(self, pattern):
        with self.lock:
            return sum(1 for method, path, _, _ in self.log if re.search(pattern, f"{method} {path}"))

    def handle(self, request):
        line = f"{request.command} {request.path}"
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        with self.lock:
            fault = next((rule.fault for rule in self.rules if rule.applies(line)), None)
        if fault == "drop":
            return self.hang_up(request, line)
        if fault in ("500", "503"):
            return self.answer(request, line, int(fault), [("Content-Type", "application/xml")], BUSY)
        if fault == "flip-request" and body:
            body = flipped(body)
        upstream = http.client.HTTPConnection(*self.server, timeout=60)
        headers = {name: value for name, value in request.headers.items() if name.lower() != "connection"}
        upstream.request(request.command, request.path, body=body, headers=headers)
        answer = upstream.getresponse()
        content = answer.read()
        upstream.close()
        if fault == "lose-answer":
            return self.hang_up(request, line)
        kept = [(name, value) for name, value in answer.getheaders()
                if name.lower() not in ("connection", "transfer-encoding", "content-length", "date", "server")]
        length = int(answer.getheader("Content-Length") or len(content))
        self.answer(request, line, answer.status, kept, content, fault, length)

    def hang_up(self, request, line):
        self.note(line, 0, 0)
        request.close_connection = True
        request.connection.shutdown(socket.SHUT_RDWR)

    def answer(self, request, line, status, headers, content, fault=None, length=None):
        if fault == "empty-listing" and status == 200:
            content = re.sub(rb"<Contents>.*</Contents>", b"", content, flags=re.DOTALL)
        if fault == "flip" and content:
            content = flipped(content)
        if fault == "shorten":
            content = content[: len(content) // 2]
        if request.command != "HEAD":
            length = len(content)
        self.note(line, status, len(content))
        request.send_response_only(status)
        for name, value in headers:
            request.send_header(name, value)
        request.send_header("Content-Length", str(length))
        request.end_headers()
        if fault == "truncate":
            request.wfile.write(content[: len(content) // 2])
            request.wfile.flush()
            request.close_connection = True
            request.connection.shutdown(socket.SHUT_RDWR)
        elif fault == "slow":
            step = max(1, len(content) // 8)
            for start in range(0, len(content), step):
                request.wfile.write(content[start : start + step])
                request.wfile.flush()
                time.sleep(0.1)
        elif request.command != "HEAD":
            request.wfile.write(content)

    def note(self, line, status, size):
        method, path = line.split(" ", 1)
        with self.lock:
            self.log.append((method, path, status, size))


def flipped(content):
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
