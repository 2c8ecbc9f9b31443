"""An S3 server on loopback behind the proxy, and the decant binary working in a folder of its own."""

import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid

import boto3
from botocore.config import Config
from proxy import Proxy

REPOSITORY = os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))
DECANT = os.path.abspath(os.environ.get("DECANT", os.path.join(REPOSITORY, "target/debug/decant")))
# Small parts, so that the small shards of a test are moved in several; s3s-fs keeps to S3's own least size.
PART_BYTES = 8 << 20 if "S3S_FS" in os.environ else 1000
KEYS = {"AWS_ACCESS_KEY_ID": "decant", "AWS_SECRET_ACCESS_KEY": "decant-secret", "AWS_REGION": "us-east-1"}

# Splits of 12, 5 and 5 images, drawn once for all tests.
SPLITS = ("--train", "12", "--validation", "5", "--test", "5")
TINY = """
[dataset]
source = "IMAGES"

[teacher]
threads = 1

[cache]
shard-rows = 4

[student]
width = 0.35
image-size = 32

[train]
epochs = 1
batch-size = 4
lr = 1e-3
device = "cpu"
"""
# 12 and 5 and 5 rows in shards of 4.
SHARDS = 3 + 2 + 2


def runtime():
    if "ORT_DYLIB_PATH" in os.environ:
        return os.environ["ORT_DYLIB_PATH"]
    return glob.glob(os.path.join(REPOSITORY, ".onnxruntime/onnxruntime/capi/libonnxruntime.*"))[0]


class Server:
    """moto's S3, or the s3s-fs that S3S_FS names, which checks signatures and so every byte of a request."""

    def __init__(self, folder):
        port = free_port()
        s3s = os.environ.get("S3S_FS")
        if s3s:
            root = os.path.join(folder, "s3s")
            os.makedirs(root)
            command = [s3s, "--host", "127.0.0.1", "--port", str(port), "--access-key", KEYS["AWS_ACCESS_KEY_ID"],
                       "--secret-key", KEYS["AWS_SECRET_ACCESS_KEY"], root]
        else:
            command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        self.folder, self.checks_requests = folder, bool(s3s)
        environment = os.environ | {"S3_UPLOAD_PART_MIN_SIZE": "1"}
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.address = ("127.0.0.1", port)
        for _ in range(600):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=1)
            except urllib.error.HTTPError:
                break
            except OSError:
                time.sleep(0.1)
            else:
                break

    def stop(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def free_port():
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Shop:
    """A bucket of its own and a folder of its own; `machine` names whose local copies a command uses."""

    def __init__(self, server, proxy):
        self.proxy = proxy
        self.proxy.clear()
        self.folder = tempfile.mkdtemp(prefix="decant-objects-")
        self.bucket = f"test-{uuid.uuid4().hex[:12]}"
        url = f"http://127.0.0.1:{server.address[1]}"
        self.s3 = boto3.client(
            "s3", endpoint_url=url, aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"], region_name="us-east-1",
            aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"], config=Config(s3={"addressing_style": "path"}),
        )
        self.s3.create_bucket(Bucket=self.bucket)
        self.root = f"s3://{self.bucket}/caches"
        self.images = os.path.join(server.folder, "images")
        self.file("tiny.toml", TINY.replace("IMAGES", self.images))

    def close(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def file(self, name, text):
        with open(self.path(name), "w") as file:
            file.write(text)

    def start(self, *args, machine="a", env=None):
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "DECANT_"))}
        environment |= KEYS | {
            "AWS_ENDPOINT_URL": self.proxy.url,
            "DECANT_OBJECTS_DIR": self.path("copies", machine),
            "DECANT_OBJECTS_PART_BYTES": str(PART_BYTES),
            "DECANT_OBJECTS_RETRIES": "4",
            "ORT_DYLIB_PATH": runtime(),
            "NO_PROXY": "*",
        } | (env or {})
        return subprocess.Popen([DECANT, *args], cwd=self.folder, env=environment, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def run(self, *args, **kwargs):
        process = self.start(*args, **kwargs)
        out, err = process.communicate(timeout=300)
        return process.returncode, out, err

    def done(self, *args, **kwargs):
        code, out, err = self.run(*args, **kwargs)
        assert code == 0, f"decant {args}: {code}\n{out}\n{err}"
        return out

    def refused(self, *args, code, **kwargs):
        found, out, err = self.run(*args, **kwargs)
        assert found == code, f"decant {args}: {found}, expected {code}\n{out}\n{err}"
        # One sentence: a line of its own, beside progress.
        said = [line for line in err.splitlines() if line.startswith("decant: ")]
        assert len(said) == 1, err
        return said[0]

    # What is in the bucket, past the proxy.

    def keys(self, prefix="caches/"):
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return sorted(entry["Key"] for page in pages for entry in page.get("Contents", []))

    def get(self, key):
        return self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()

    def put(self, key, body):
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)

    def delete(self, key):
        self.s3.delete_object(Bucket=self.bucket, Key=key)

    def key(self, ending):
        found = [key for key in self.keys() if key.endswith(ending)]
        assert len(found) == 1, found
        return found[0]

    def shards(self):
        return [key for key in self.keys() if key.endswith(".parquet")]

    def cache(self):
        """The URL of the only cache."""
        return f"s3://{self.bucket}/" + self.key("manifest.json").rsplit("/", 1)[0]

    # What decant does.

    def teacher_cache(self, *args, **kwargs):
        return self.done("teacher-cache", "-p", "tiny.toml", "--cache-dir", self.root, "--json", *args, **kwargs)

    def train(self, *args, **kwargs):
        runs = f"runs-{uuid.uuid4().hex[:8]}"
        command = ("train-student", "-p", "tiny.toml", "--cache-dir", self.root, "--runs-dir", runs, *args)
        return self.done(*command, **kwargs), runs

    def content(self):
        return json.loads(self.get(self.key("complete.json")))["content"]

    def files(self, machine="a", ending=".parquet"):
        return sorted(glob.glob(self.path("copies", machine, "**", "*" + ending), recursive=True))


def weights(shop, runs):
    with open(glob.glob(shop.path(runs, "*", "result.json"))[0]) as file:
        return json.load(file)["weights"]
