#!/usr/bin/python3
"""Fetching against a server on this machine that does what servers do: ranges or none, cut
connections, wrong files, pages, silence. Nothing leaves 127.0.0.1.

    FETCH_DRIVER=.../fetch_driver python3 tests/weights/test_fetch.py [-v] [Class.test]
"""
import fcntl
import hashlib
import http.server
import os
import pathlib
import random
import re
import resource
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest

DRIVER = os.environ["FETCH_DRIVER"]
DONE, INPUT, ENVIRONMENT, INTERRUPTED = 0, 2, 3, 75
FILE = "weights.h5"
CONTENT = random.Random(1).randbytes(3_000_000)
PATIENCE_S = 300


def sha256(content):
    return hashlib.sha256(content).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """What it does is in the server's attributes, see Server."""

    def log_message(self, *_):
        pass

    def asked(self):
        match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        return int(match[1]) if match else 0

    def send(self, code, headers, body):
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def redirect(self):
        self.send(302, {"Location": self.server.redirect, "Content-Length": 9,
                        "Content-Range": "bytes 7-8/9"}, b"elsewhere")

    def do_GET(self):
        server, start = self.server, self.asked()
        server.requests.append((self.path, start))
        content = server.content
        if server.redirect and self.path != "/moved":
            return self.redirect()
        if server.code != 200:
            return self.send(server.code, {"Content-Type": "text/html"}, b"<html>sorry</html>")
        if not server.ranges:
            start = 0
        if start >= len(content) > 0:
            return self.send(416, {"Content-Range": f"bytes */{len(content)}",
                                   "Content-Length": 0}, b"")
        first = max(0, start + server.shift)
        headers = {"Content-Type": server.type}
        if start:
            headers["Content-Range"] = f"bytes {first}-{len(content) - 1}/{len(content)}"
        if server.length:
            headers["Content-Length"] = len(content) - first
        self.send_response(206 if start else 200)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.body(content[first:])

    def body(self, content):
        server = self.server
        for at in range(0, len(content), server.block):
            if server.cut is not None and at >= server.cut:
                return
            if server.hang is not None and at >= server.hang:
                server.released.wait(PATIENCE_S)
                return
            self.wfile.write(content[at:at + server.block])
            self.wfile.flush()
            time.sleep(server.pause_s)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    content = CONTENT
    ranges = True        # understands them
    shift = 0            # error in where a range begins
    length = True        # says how long the answer is
    code = 200
    type = "application/octet-stream"
    cut = None           # ends the connection after so many bytes of an answer
    hang = None          # falls silent after so many
    block = 1 << 16
    pause_s = 0          # after each block
    redirect = None      # where everything but /moved is

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests = []
        self.released = threading.Event()

    def handle_error(self, *_):
        pass             # the client hung up: many tests mean it to


class Fetching(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="atelier-fetch-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.cache = self.folder / "cache" / "atelier"
        self.server = Server()
        thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        thread.start()
        self.addCleanup(self.server.server_close)
        self.addCleanup(thread.join)
        self.addCleanup(self.server.shutdown)
        self.addCleanup(self.server.released.set)
        self.address = f"http://127.0.0.1:{self.server.server_port}/{FILE}"
        self.file, self.part = self.cache / FILE, self.cache / (FILE + ".part")

    def start(self, address=None, folder=None, size=len(CONTENT), md5="-", sha=sha256(CONTENT),
              stop_at=0, limit=None, environment=None, silence=PATIENCE_S):
        """silence: for so many seconds; where a test is not about it, it is no reason to give up."""
        def limited():
            if limit:
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        kept = {name: value for name, value in os.environ.items()
                if not name.lower().endswith("_proxy")}
        process = subprocess.Popen(
            [DRIVER, address or self.address, FILE, str(folder or self.cache), str(size or "-"),
             md5, sha, str(stop_at), str(silence)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            preexec_fn=limited, env={**kept, **(environment or {})})
        self.addCleanup(lambda: (process.kill(), process.communicate()))
        return process

    def end(self, process, code=DONE, words=()):
        out, err = process.communicate(timeout=PATIENCE_S)
        self.assertEqual(process.returncode, code, err)
        for word in words:
            self.assertIn(word, err)
        return out

    def fetch(self, code=DONE, *words, **how):
        return self.end(self.start(**how), code, words)

    def leave_part(self, content):
        self.cache.mkdir(parents=True, exist_ok=True)
        self.part.write_bytes(content)

    def wait_for_part(self, size):
        deadline = time.monotonic() + PATIENCE_S
        while not self.part.exists() or self.part.stat().st_size < size:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)

    def assertFetched(self, content=CONTENT):
        self.assertEqual(os.listdir(self.cache), [FILE])
        self.assertEqual(self.file.read_bytes(), content)

    def assertPart(self, size):
        """So much of the right content waits to be gone on with."""
        self.assertEqual(os.listdir(self.cache), [self.part.name])
        self.assertEqual(self.part.read_bytes(), CONTENT[:size])

    def assertNothing(self):
        self.assertEqual(os.listdir(self.cache) if self.cache.exists() else [], [])

    def starts(self):
        return [start for _, start in self.server.requests]


class Whole(Fetching):
    def test_file_arrives_with_its_name_and_its_path_is_told(self):
        out = self.fetch()
        self.assertFetched()
        self.assertTrue(out.endswith(f"path {self.file}\n"), out)

    def test_progress_ends_with_all_bytes(self):
        told = [tuple(map(int, line.split()[1:])) for line in self.fetch().splitlines()
                if line.startswith("progress")]
        self.assertEqual(told[-1], (len(CONTENT), len(CONTENT)))
        self.assertEqual(told, sorted(told))

    def test_md5_alone_will_do(self):
        self.fetch(md5=hashlib.md5(CONTENT).hexdigest(), sha="-")
        self.assertFetched()

    def test_first_digits_of_a_sha256_will_do(self):
        self.fetch(sha=sha256(CONTENT)[:8])
        self.assertFetched()

    def test_unknown_size_and_no_content_length(self):
        self.server.length = False
        self.fetch(size=None)
        self.assertFetched()

    def test_what_is_there_is_not_fetched_again(self):
        self.fetch()
        self.fetch()
        self.assertEqual(self.starts(), [0])

    def test_redirect_is_followed(self):
        self.server.redirect = "/moved"
        self.leave_part(CONTENT[:1000])
        self.fetch()
        self.assertFetched()
        self.assertEqual(self.starts(), [1000, 1000])

    def test_default_folder_is_the_cache(self):
        self.fetch(folder="-", environment={"ATELIER_CACHE": str(self.cache)})
        self.assertFetched()


class Resumed(Fetching):
    def test_part_is_gone_on_with(self):
        self.leave_part(CONTENT[:1_234_567])
        self.fetch()
        self.assertFetched()
        self.assertEqual(self.starts(), [1_234_567])

    def test_cut_connection_leaves_a_part_that_is_gone_on_with(self):
        for length in (True, False):
            with self.subTest(content_length=length):
                self.server.cut, self.server.length = 20 << 16, length
                self.fetch(ENVIRONMENT, "cannot fetch made-up", f"got {20 << 16} bytes so far",
                           self.address, str(self.cache))
                self.assertPart(20 << 16)
                self.server.cut = None
                self.fetch()
                self.assertFetched()
                self.assertEqual(self.starts()[-1], 20 << 16)
                self.file.unlink()

    def test_server_without_ranges_starts_over(self):
        self.server.ranges = False
        self.leave_part(b"x" * 1000)
        self.fetch()
        self.assertFetched()

    def test_part_longer_than_the_file_starts_over(self):
        self.leave_part(CONTENT + b"x")
        self.fetch()
        self.assertFetched()
        self.assertEqual(self.starts(), [0])

    def test_part_longer_than_a_file_of_unknown_size_starts_over(self):
        self.leave_part(CONTENT + b"x")
        self.fetch(size=None)
        self.assertFetched()
        self.assertEqual(self.starts(), [len(CONTENT) + 1, 0])

    def test_whole_part_needs_no_download(self):
        self.leave_part(CONTENT)
        self.fetch()
        self.assertFetched()
        self.assertEqual(self.starts(), [])

    def test_whole_part_of_unknown_size_is_only_asked_about(self):
        self.leave_part(CONTENT)
        self.fetch(size=None)
        self.assertFetched()
        self.assertEqual(self.starts(), [len(CONTENT)])

    def test_stopped_download_is_gone_on_with(self):
        self.server.pause_s = 0.02
        self.fetch(INTERRUPTED, "stopped", "goes on there", stop_at=500_000)
        had = self.part.stat().st_size
        self.assertGreaterEqual(had, 500_000)
        self.assertPart(had)
        self.server.pause_s = 0
        self.fetch()
        self.assertFetched()
        self.assertEqual(self.starts(), [0, had])

    def test_killed_download_is_gone_on_with(self):
        self.server.hang = 10 << 16
        process = self.start()
        self.wait_for_part(10 << 16)
        process.kill()
        process.wait()
        self.server.hang = None
        self.fetch()
        self.assertFetched()
        self.assertEqual(self.starts(), [0, 10 << 16])

    def test_range_from_elsewhere_is_refused(self):
        self.server.shift = -1
        self.leave_part(CONTENT[:1000])
        self.fetch(ENVIRONMENT, "byte 1000", "something else")
        self.assertPart(1000)


class Wrong(Fetching):
    def test_wrong_content_is_removed(self):
        self.server.content = CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])
        self.fetch(INPUT, "SHA-256", "expected", sha256(CONTENT), sha256(self.server.content))
        self.assertNothing()

    def test_wrong_md5_is_removed(self):
        self.fetch(INPUT, "expected MD5 " + "0" * 32, hashlib.md5(CONTENT).hexdigest(),
                   md5="0" * 32, sha="-")
        self.assertNothing()

    def test_wrong_first_digits_are_removed(self):
        self.fetch(INPUT, "that begins 00000000", sha256(CONTENT), sha="0" * 8)
        self.assertNothing()

    def test_wrong_part_is_removed_and_the_next_time_works(self):
        self.leave_part(b"x" * 1000)
        self.fetch(INPUT, "SHA-256")
        self.assertNothing()
        self.fetch()
        self.assertFetched()

    def test_wrong_size_is_refused_before_the_download(self):
        for content in (CONTENT[:-1], CONTENT + b"x"):
            self.server.content = content
            self.leave_part(CONTENT[:1000])
            self.fetch(ENVIRONMENT, f"expected {len(CONTENT)} bytes", str(len(content)))
            self.assertPart(1000)

    def test_endless_answer_is_stopped(self):
        self.server.length = False
        self.server.content = CONTENT * 3
        self.fetch(ENVIRONMENT, f"expected {len(CONTENT)} bytes", "sent more")
        self.assertLessEqual(self.part.stat().st_size, len(CONTENT))

    def test_empty_answer(self):
        self.server.content = b""
        for size in (None, len(CONTENT)):
            self.fetch(ENVIRONMENT, "cannot fetch made-up", self.address, size=size)
            self.assertNothing()

    def test_page_is_not_a_file(self):
        self.server.type, self.server.content = "text/html; charset=utf-8", b"<html>log in</html>"
        for size in (None, len(CONTENT)):
            self.fetch(ENVIRONMENT, "web page", self.address, str(self.cache), size=size)
            self.assertNothing()

    def test_error_answers_are_named_and_keep_the_part(self):
        for code in (403, 404, 500, 503):
            self.server.code = code
            self.leave_part(CONTENT[:1000])
            self.fetch(ENVIRONMENT, f"error: {code}", self.address, str(self.cache))
            self.assertPart(1000)

    def test_circle_of_redirects_ends(self):
        self.server.redirect = f"/{FILE}"
        self.fetch(ENVIRONMENT, "redirects", self.address)
        self.assertNothing()

    def test_redirect_to_a_local_file_is_refused(self):
        secret = self.folder / "secret"
        secret.write_bytes(CONTENT)
        self.server.redirect = f"file://{secret}"
        self.fetch(ENVIRONMENT, "cannot fetch made-up")
        self.assertNothing()

    def test_local_address_is_refused(self):
        secret = self.folder / "secret"
        secret.write_bytes(CONTENT)
        self.fetch(ENVIRONMENT, "cannot fetch made-up", address=f"file://{secret}")
        self.assertNothing()

    def test_certificate_is_verified(self):
        key, certificate = self.folder / "key.pem", self.folder / "certificate.pem"
        if subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                           "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
                           "-keyout", key, "-out", certificate],
                          stderr=subprocess.DEVNULL).returncode:
            self.skipTest("there is no openssl command")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.fetch(ENVIRONMENT, "certificate", address=self.address.replace("http:", "https:"))
        self.assertNothing()
        self.assertEqual(self.server.requests, [])

    def test_file_without_a_digest_is_not_fetched(self):
        self.fetch(INPUT, "no digest", self.address, sha="-")
        self.assertEqual(self.server.requests, [])

    def test_file_without_an_address_is_not_fetched(self):
        self.fetch(INPUT, "http://example.org/", FILE, address="-")

    def test_another_file_in_its_place_is_kept(self):
        self.cache.mkdir(parents=True)
        self.file.write_bytes(b"mine")
        self.fetch(INPUT, "expected", "got 4", "move it away")
        self.assertFetched(b"mine")
        self.assertEqual(self.server.requests, [])

    def test_folder_in_its_place(self):
        self.file.mkdir(parents=True)
        self.fetch(INPUT, "in the way")
        self.file.rmdir()
        self.part.mkdir()
        self.fetch(ENVIRONMENT, "Is a directory")


class Unreachable(Fetching):
    def test_refused_connection(self):
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            address = f"http://127.0.0.1:{closed.getsockname()[1]}/{FILE}"
            self.fetch(ENVIRONMENT, "cannot fetch made-up", "connect", address, str(self.cache),
                       address=address)
        self.assertNothing()

    def test_unknown_host(self):
        self.fetch(ENVIRONMENT, "resolve", "no-such-host.invalid", str(self.cache),
                   address=f"http://no-such-host.invalid/{FILE}")
        self.assertNothing()

    def test_server_that_accepts_and_says_nothing(self):
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen()
            self.fetch(ENVIRONMENT, "too slow", str(self.cache), silence=2,
                       address=f"http://127.0.0.1:{silent.getsockname()[1]}/{FILE}")
        self.assertNothing()

    def test_server_that_falls_silent_leaves_the_part(self):
        self.server.hang = 10 << 16
        self.fetch(ENVIRONMENT, "too slow", "goes on there", silence=5)
        self.assertPart(10 << 16)

    def test_slow_server_is_waited_for(self):
        self.server.block, self.server.pause_s = len(CONTENT) // 8, 1
        self.fetch(silence=5)
        self.assertFetched()


class Disk(Fetching):
    def test_full_disk_leaves_the_part(self):
        self.fetch(ENVIRONMENT, "cannot write", "File too large", limit=1 << 20)
        self.assertPart(1 << 20)
        self.fetch()
        self.assertFetched()
        self.assertEqual(self.starts(), [0, 1 << 20])

    def test_file_that_does_not_fit_is_refused_at_once(self):
        self.fetch(ENVIRONMENT, "free", "ATELIER_CACHE", size=1 << 60)
        self.assertNothing()
        self.assertEqual(self.server.requests, [])

    @unittest.skipIf(os.geteuid() == 0, "root may write everywhere")
    def test_folder_that_cannot_be_written(self):
        self.cache.mkdir(parents=True)
        self.cache.chmod(0o555)
        self.addCleanup(self.cache.chmod, 0o755)
        self.fetch(ENVIRONMENT, "cannot write", "ATELIER_CACHE", "Permission denied")

    def test_file_system_that_cannot_be_written(self):
        self.fetch(ENVIRONMENT, "cannot make the folder", "ATELIER_CACHE", folder="/proc/atelier")
        self.assertEqual(self.server.requests, [])

    def test_file_in_place_of_the_folder(self):
        self.cache.parent.write_bytes(b"")
        self.fetch(ENVIRONMENT, "cannot make the folder", str(self.cache.parent))


class Together(Fetching):
    def test_second_waits_for_the_first_and_fetches_nothing(self):
        self.server.pause_s = 0.01
        for process in [self.start() for _ in range(4)]:
            self.end(process)
        self.assertFetched()
        self.assertEqual(self.starts(), [0])

    def test_second_goes_on_when_the_first_is_killed(self):
        self.server.hang = 10 << 16
        first = self.start()
        self.wait_for_part(10 << 16)
        self.server.hang = None
        second = self.start()
        self.assertTrue(second.stdout.readline().startswith(f"progress {10 << 16} "))  # it waits
        first.kill()
        self.end(second)
        self.assertFetched()
        self.assertEqual(self.starts(), [0, 10 << 16])

    def test_waiting_can_be_stopped_and_leaves_the_part(self):
        self.leave_part(CONTENT[:1000])
        with open(self.part, "rb") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            self.fetch(INTERRUPTED, "stopped", stop_at=1)
        self.assertPart(1000)

    def test_part_that_the_first_removed_is_begun_anew(self):
        self.leave_part(b"x" * 1000)
        with open(self.part, "rb") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            process = self.start()
            self.assertTrue(process.stdout.readline().startswith("progress 1000 "))
            self.part.unlink()
        self.end(process)
        self.assertFetched()
        self.assertEqual(self.starts(), [0])

    def test_process_that_gets_nothing_is_not_waited_for_for_ever(self):
        self.leave_part(b"")
        with open(self.part, "rb") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            self.fetch(ENVIRONMENT, "another process", str(self.part), silence=2)
        self.assertPart(0)


if __name__ == "__main__":
    result = unittest.main(exit=False).result
    sys.exit("no test was found" if result.testsRun == 0 else not result.wasSuccessful())
