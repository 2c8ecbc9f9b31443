"""Caches and datasets in an S3 store, with faults: what comes out is right, or it is a clear error.

    make test-objects            against moto's S3
    S3S_FS=PATH make test-objects    against s3s-fs, which checks every request's signature
"""

import glob
import json
import os
import random
import shutil
import signal
import tempfile
import time
import unittest

import blake3
from proxy import Proxy
from shop import PART_BYTES, SHARDS, SPLITS, Server, Shop, weights

READS = r"^GET .*\.parquet"
UPLOADS = r"^(PUT|POST) .*\.parquet"


def setUpModule():
    global SERVER, PROXY, SCRATCH, LOCAL_CONTENT, LOCAL_WEIGHTS, CACHE, CACHE_OF_TWO_TEMPERATURES
    SCRATCH = tempfile.mkdtemp(prefix="decant-s3-")
    SERVER = Server(SCRATCH)
    PROXY = Proxy(SERVER.address)
    shop = Shop(SERVER, PROXY)
    shop.done("data", "synth", "--out", shop.images, *SPLITS)
    shop.done("teacher-cache", "-p", "tiny.toml", "--cache-dir", "cache")
    with open(glob.glob(shop.path("cache", "*", "complete.json"))[0]) as file:
        LOCAL_CONTENT = json.load(file)["content"]
    shop.done("train-student", "-p", "tiny.toml", "--cache-dir", "cache", "--runs-dir", "runs")
    LOCAL_WEIGHTS = weights(shop, "runs")
    shop.teacher_cache()
    CACHE = {key: shop.get(key) for key in shop.keys()}
    shop.teacher_cache("--set", "cache.temperatures=[1, 5]")
    CACHE_OF_TWO_TEMPERATURES = {key: shop.get(key) for key in shop.keys() if key not in CACHE}
    shop.close()


def tearDownModule():
    SERVER.stop()
    shutil.rmtree(SCRATCH, ignore_errors=True)


class Case(unittest.TestCase):
    def setUp(self):
        self.shop = Shop(SERVER, PROXY)

    def tearDown(self):
        self.shop.close()

    def cached(self, *more):
        """A shop whose bucket holds the cache that was made once, with no faults, and others."""
        for cache in (CACHE, *more):
            for key, body in cache.items():
                self.shop.put(key, body)
        return self.shop


class Making(Case):
    def test_a_cache_in_a_store_is_the_one_that_a_folder_would_hold(self):
        self.shop.teacher_cache()
        self.assertEqual(self.shop.content(), LOCAL_CONTENT)
        self.assertEqual(len(self.shop.shards()), SHARDS)
        records = [key for key in self.shop.keys() if "/part-" in key and key.endswith(".json")]
        self.assertEqual(len(records), SHARDS)
        self.shop.proxy.clear()
        self.shop.teacher_cache(machine="b")
        self.assertEqual(self.shop.proxy.count(r"^POST|parquet"), 0, "what is done is neither made nor moved again")

    def test_workers_share_nothing_but_the_store(self):
        workers = [
            self.shop.start("teacher-cache", "-p", "tiny.toml", "--cache-dir", self.shop.root, "--shard", f"{i}/3", machine=f"m{i}")
            for i in range(3)
        ]
        for worker in workers:
            out, err = worker.communicate(timeout=300)
            self.assertEqual(worker.returncode, 0, err)
        self.assertEqual(self.shop.content(), LOCAL_CONTENT)

    def test_the_same_work_twice_at_once_does_no_harm(self):
        workers = [
            self.shop.start("teacher-cache", "-p", "tiny.toml", "--cache-dir", self.shop.root, machine=machine)
            for machine in "ab"
        ]
        for worker in workers:
            out, err = worker.communicate(timeout=300)
            self.assertEqual(worker.returncode, 0, err)
        self.assertEqual(self.shop.content(), LOCAL_CONTENT)
        self.assertEqual(len(self.shop.shards()), SHARDS)

    def test_a_killed_worker_loses_nothing_that_is_committed_and_nothing_that_is_made(self):
        shop = self.shop
        # The second record is never written: its shard lies finished only in the local copy.
        shop.proxy.fault("drop", r"^PUT .*part-00001\.json")
        worker = shop.start("teacher-cache", "-p", "tiny.toml", "--cache-dir", shop.root)
        while shop.proxy.count(r"^PUT .*part-00001\.json") == 0:
            self.assertIsNone(worker.poll())
            time.sleep(0.02)
        worker.send_signal(signal.SIGKILL)
        worker.communicate()
        committed = [key for key in shop.keys() if key.endswith("part-00000.json")]
        self.assertGreaterEqual(len(committed), 1)
        shop.proxy.clear()
        shop.teacher_cache()
        self.assertEqual(shop.content(), LOCAL_CONTENT)
        for key in committed:
            self.assertEqual(shop.proxy.count("^PUT .*" + key), 0, "what is committed is not committed again")

    def test_another_machine_goes_on_where_a_worker_died(self):
        shop = self.shop
        worker = shop.start("teacher-cache", "-p", "tiny.toml", "--cache-dir", shop.root)
        while shop.proxy.count(r"^PUT .*part-0000.\.json") < 2:
            self.assertIsNone(worker.poll())
            time.sleep(0.02)
        worker.send_signal(signal.SIGKILL)
        worker.communicate()
        shop.teacher_cache(machine="b")
        self.assertEqual(shop.content(), LOCAL_CONTENT)

    def test_other_bytes_than_those_committed_are_refused_and_the_committed_ones_stay(self):
        shop = self.shop
        shop.teacher_cache("--shard", "1/7")
        key = next(key for key in shop.keys() if key.endswith(".json") and "part" in key)
        record = json.loads(shop.get(key))
        made = record["blake3"]
        record["blake3"] = "ab" * 32
        theirs = sealed(record)
        shop.put(key, theirs)
        shutil.rmtree(shop.path("copies"))
        # The worker believes that the shard is to do: it learns of the record when it commits its own.
        shop.proxy.fault("empty-listing", "list-type")
        said = shop.refused("teacher-cache", "-p", "tiny.toml", "--cache-dir", shop.root, "--shard", "1/7", code=2)
        self.assertIn("ab" * 32, said)
        self.assertIn(made, said)
        self.assertEqual(shop.get(key), theirs)

    def test_a_cache_is_merged_by_whoever_is_asked(self):
        shop = self.shop
        shop.teacher_cache("--shard", "0/2")
        said = shop.refused("cache", "merge", shop.cache(), code=2, machine="b")
        self.assertIn("is not complete", said)
        shop.proxy.fault("503", r"^PUT .*complete\.json")
        shop.run("teacher-cache", "-p", "tiny.toml", "--cache-dir", shop.root, "--shard", "1/2", machine="c")
        shop.proxy.clear()
        shop.done("cache", "merge", shop.cache(), machine="b")
        self.assertEqual(shop.content(), LOCAL_CONTENT)

    def test_what_was_uploaded_and_never_committed_is_removed_at_the_end(self):
        shop = self.shop
        shop.teacher_cache("--shard", "0/2")
        orphan = shop.shards()[0].rsplit("-", 1)[0] + "-0000000000000000.parquet"
        shop.put(orphan, b"half a shard")
        shop.teacher_cache()
        self.assertNotIn(orphan, shop.keys())
        self.assertEqual(len(shop.shards()), SHARDS)


class Reading(Case):
    def test_a_student_learns_the_same_from_a_store(self):
        shop = self.cached()
        _, runs = shop.train(machine="b")
        self.assertEqual(weights(shop, runs), LOCAL_WEIGHTS)
        # The run knows the store, and the copy may be gone.
        shutil.rmtree(shop.path("copies"))
        run = glob.glob(shop.path(runs, "*"))[0]
        shop.done("evaluate", "--run", run, machine="c")
        shop.done("report", run, "-o", "run.html", machine="c")

    def test_a_second_run_reads_no_shard_again(self):
        shop = self.cached()
        shop.train(machine="b")
        self.assertGreaterEqual(shop.proxy.count(READS), SHARDS)
        shop.proxy.clear()
        shop.train(machine="b")
        self.assertEqual(shop.proxy.count(READS), 0)

    def test_two_readers_at_once_share_one_copy(self):
        shop = self.cached()
        readers = [shop.start("cache", "verify", shop.cache(), machine="b") for _ in range(2)]
        for reader in readers:
            out, err = reader.communicate(timeout=300)
            self.assertEqual(reader.returncode, 0, err)
        ranges = sum(-(-len(shop.get(key)) // PART_BYTES) for key in shop.shards())
        self.assertEqual(shop.proxy.count(READS), ranges, "each range is read once")

    def test_a_reader_that_was_killed_goes_on_from_the_files_that_are_here(self):
        shop = self.cached()
        shop.proxy.fault("drop", READS.replace("parquet", "part-00002.*parquet"))
        shop.run("cache", "verify", shop.cache(), machine="b", env={"DECANT_OBJECTS_RETRIES": "0"})
        here = len(shop.files("b"))
        shop.proxy.clear()
        shop.done("cache", "verify", shop.cache(), machine="b")
        reads = {path.split("?")[0] for method, path, _, _ in shop.proxy.log if ".parquet" in path}
        self.assertLessEqual(len(reads), SHARDS - here + 0)

    def test_ls_inspect_verify_and_pack_take_a_url(self):
        shop = self.cached()
        listed = json.loads(shop.done("cache", "ls", "--cache-dir", shop.root, "--json", machine="b"))
        self.assertEqual([(entry["complete"], entry["shards_done"]) for entry in listed], [(True, SHARDS)])
        self.assertEqual(shop.proxy.count(READS), 0, "a list reads no shard")
        self.assertIn(LOCAL_CONTENT[:12], shop.done("cache", "verify", shop.cache(), machine="b"))
        shop.done("cache", "inspect", shop.cache(), machine="b")
        shop.done("cache", "pack", shop.cache(), "cache.tar.zst", machine="b")
        shop.done("cache", "unpack", "cache.tar.zst", "--cache-dir", "unpacked")

    def test_ls_shows_how_far_a_cache_is(self):
        self.shop.teacher_cache("--shard", "0/2")
        listed = json.loads(self.shop.done("cache", "ls", "--cache-dir", self.shop.root, "--json", machine="b"))
        self.assertEqual([(entry["complete"], entry["shards_done"]) for entry in listed], [(False, 4)])

    def test_an_object_that_was_overwritten_is_refused(self):
        shop = self.cached()
        key = shop.shards()[3]
        for body in (self.other(shop.get(key)), shop.get(key)[:-1], b""):
            shop.put(key, body)
            said = shop.refused("cache", "verify", shop.cache(), code=3, machine=f"m{len(body)}")
            self.assertIn(f"s3://{shop.bucket}/{key}", said)
            self.assertIn("overwritten", said)

    def test_a_manifest_that_was_overwritten_is_refused(self):
        shop = self.cached()
        for name in ("manifest.json", "complete.json"):
            key = shop.key(name)
            right = shop.get(key)
            shop.put(key, self.other(right))
            said = shop.refused("cache", "verify", shop.cache(), code=3, machine=name)
            self.assertIn(f"s3://{shop.bucket}/{key}", said)
            shop.put(key, right)

    def test_a_shard_that_is_gone_is_named(self):
        shop = self.cached()
        key = shop.shards()[0]
        shop.delete(key)
        said = shop.refused("cache", "verify", shop.cache(), code=2, machine="b")
        self.assertIn(f"there is no s3://{shop.bucket}/{key}", said)

    def test_a_cache_or_a_bucket_that_is_not_there_is_named(self):
        said = self.shop.refused("cache", "inspect", self.shop.root + "/nothing-0123456789ab", code=2)
        self.assertIn("nothing-0123456789ab holds no cache", said)
        said = self.shop.refused("train-student", "-p", "tiny.toml", "--cache-dir", self.shop.root, code=2)
        self.assertIn(self.shop.root, said)
        root = "s3://there-is-no-such-bucket/caches"
        said = self.shop.refused("teacher-cache", "-p", "tiny.toml", "--cache-dir", root, code=1)
        self.assertIn(f"{root}/tiny-", said)
        self.assertIn("could not be written", said)

    @staticmethod
    def other(body):
        return body[: len(body) // 2] + bytes([body[len(body) // 2] ^ 1]) + body[len(body) // 2 + 1 :]


class Space(Case):
    def test_the_copy_that_was_not_used_for_longest_makes_room(self):
        shop = self.cached(CACHE_OF_TWO_TEMPERATURES)
        caches = sorted({key.split("/")[1] for key in shop.keys()})
        self.assertEqual(len(caches), 2)
        size = sum(len(shop.get(key)) for key in shop.keys() if f"/{caches[0]}/" in key)
        room = {"DECANT_OBJECTS_MAX_BYTES": str(int(size * 1.3))}
        for cache in caches:
            shop.done("cache", "verify", f"{shop.root}/{cache}", machine="b", env=room)
        held = {path.split(os.sep)[-3] for path in shop.files("b")}
        self.assertEqual(held, {caches[1]})

    def test_a_copy_in_use_stays_and_the_other_reader_is_told(self):
        shop = self.cached(CACHE_OF_TWO_TEMPERATURES)
        caches = sorted({key.split("/")[1] for key in shop.keys()})
        size = sum(len(shop.get(key)) for key in shop.keys() if f"/{caches[0]}/" in key)
        room = {"DECANT_OBJECTS_MAX_BYTES": str(int(size * 1.3))}
        # The first reader is held up in its last shard while the second one wants room.
        shop.proxy.fault("slow", f"{caches[0]}.*parquet")
        first = shop.start("cache", "verify", f"{shop.root}/{caches[0]}", machine="b", env=room)
        while len(shop.files("b")) < 2:
            time.sleep(0.02)
        said = shop.refused("cache", "verify", f"{shop.root}/{caches[1]}", code=2, machine="b", env={"DECANT_OBJECTS_MAX_BYTES": "2000"})
        self.assertIn("DECANT_OBJECTS_MAX_BYTES", said)
        out, err = first.communicate(timeout=300)
        self.assertEqual(first.returncode, 0, err)

    def test_a_cache_larger_than_the_space_is_refused_before_it_is_read(self):
        shop = self.cached()
        said = shop.refused("cache", "verify", shop.cache(), code=2, machine="b", env={"DECANT_OBJECTS_MAX_BYTES": "5000"})
        self.assertIn("which may hold 5.0 kB", said)
        self.assertEqual(shop.proxy.count(READS), 0)


class Faults(Case):
    """Each fault once in a while: the result is right. Each fault for ever: a clear error, and nothing wrong is here."""

    def test_a_network_that_fails_now_and_then_changes_nothing_that_is_read(self):
        shop = self.cached()
        for number, fault in enumerate(("drop", "lose-answer", "500", "503", "truncate", "shorten", "slow")):
            with self.subTest(fault):
                rule = shop.proxy.fault(fault, r"^GET", every=4)
                machine = f"m{number}"
                self.assertIn(LOCAL_CONTENT[:12], shop.done("cache", "verify", shop.cache(), machine=machine))
                self.assertGreater(rule.done, 3)
                shop.proxy.clear()

    def test_flipped_bytes_are_read_again(self):
        shop = self.cached()
        for pattern, times in ((READS, 2), (r"^GET .*manifest\.json", 2), (r"^GET .*complete\.json", 1)):
            rule = shop.proxy.fault("flip", pattern, times=times)
            machine = pattern.strip("^").replace(" ", "").replace("/", "")[-9:].replace("\\", "").replace(".", "")
            self.assertIn(LOCAL_CONTENT[:12], shop.done("cache", "verify", shop.cache(), machine=machine))
            self.assertEqual(rule.done, times)
            shop.proxy.clear()

    def test_a_fault_for_ever_is_a_clear_error_and_leaves_nothing_wrong(self):
        shop = self.cached()
        url = shop.cache()
        for fault, code in (("drop", 1), ("500", 1), ("503", 1), ("truncate", 1), ("shorten", 3), ("flip", 3)):
            with self.subTest(fault):
                shop.proxy.fault(fault, READS)
                said = shop.refused("cache", "verify", url, code=code, machine=fault, env={"DECANT_OBJECTS_RETRIES": "1"})
                self.assertIn(f"s3://{shop.bucket}/", said)
                self.assertEqual(shop.files(fault), [])
                shop.proxy.clear()
                self.assertIn(LOCAL_CONTENT[:12], shop.done("cache", "verify", url, machine=fault))

    def test_a_network_that_fails_now_and_then_changes_nothing_that_is_made(self):
        for fault in ("drop", "lose-answer", "500", "503", "truncate"):
            with self.subTest(fault):
                self.shop.close()
                self.shop = Shop(SERVER, PROXY)
                rule = self.shop.proxy.fault(fault, r"^(PUT|POST|GET)", every=7)
                self.shop.teacher_cache()
                self.assertGreater(rule.done, 3)
                self.shop.proxy.clear()
                self.assertEqual(self.shop.content(), LOCAL_CONTENT)
                self.assertIn(LOCAL_CONTENT[:12], self.shop.done("cache", "verify", self.shop.cache(), machine="b"))

    def test_a_commit_whose_answer_was_lost_is_recognised_as_ones_own(self):
        rule = self.shop.proxy.fault("lose-answer", r"^PUT .*\.json", times=6)
        self.shop.teacher_cache()
        self.assertEqual(rule.done, 6)
        self.assertEqual(self.shop.content(), LOCAL_CONTENT)

    def test_a_store_that_takes_nothing_is_a_clear_error(self):
        for fault, pattern in (("500", UPLOADS), ("drop", UPLOADS), ("503", r"^PUT .*\.json")):
            with self.subTest(fault):
                self.shop.proxy.fault(fault, pattern)
                command = ("teacher-cache", "-p", "tiny.toml", "--cache-dir", self.shop.root)
                said = self.shop.refused(*command, code=1, env={"DECANT_OBJECTS_RETRIES": "1"})
                self.assertIn(f"s3://{self.shop.bucket}/caches", said)
                self.assertIn("could not be written", said)
                self.shop.proxy.clear()
        self.shop.teacher_cache()
        self.assertEqual(self.shop.content(), LOCAL_CONTENT)

    def test_bytes_that_are_flipped_on_their_way_into_the_store_are_never_used(self):
        rule = self.shop.proxy.fault("flip-request", r"^PUT .*\.parquet", times=1)
        command = ("teacher-cache", "-p", "tiny.toml", "--cache-dir", self.shop.root)
        code, _, err = self.shop.run(*command)
        self.assertEqual(rule.done, 1)
        if SERVER.checks_requests:
            # The store takes no body that is not the one that was signed.
            self.assertEqual(self.shop.shards() == [] or code == 0, True, err)
            self.shop.proxy.clear()
            self.shop.teacher_cache()
            self.shop.done("cache", "verify", self.shop.cache(), machine="b")
        else:
            said = self.shop.refused("cache", "verify", self.shop.cache(), code=3, machine="b")
            self.assertIn("overwritten or damaged", said)


class Dataset(Case):
    def setUp(self):
        super().setUp()
        shop = self.shop
        self.images = sorted(glob.glob(os.path.join(shop.images, "**", "*.*"), recursive=True))
        for path in self.images:
            with open(path, "rb") as file:
                shop.put("data/images/" + os.path.relpath(path, shop.images), file.read())
        self.source = ("--set", f"dataset.source=s3://{shop.bucket}/data/images")
        self.expected = LOCAL_CONTENT

    def cache_of(self, source, **kwargs):
        out = self.shop.done("teacher-cache", "-p", "tiny.toml", "--cache-dir", "cache", "--json", *source, **kwargs)
        with open(os.path.join(self.shop.path(json.loads(out)["cache"]), "complete.json")) as file:
            return json.load(file)["content"]

    def test_a_dataset_in_a_store_is_the_one_that_a_folder_would_hold(self):
        self.assertEqual(self.cache_of(self.source), self.expected)
        reads = self.shop.proxy.count(r"^GET .*/data/images/")
        self.cache_of(self.source)
        self.assertEqual(self.shop.proxy.count(r"^GET .*/data/images/"), reads, "the second time nothing is read")

    def test_two_processes_at_once_share_one_copy(self):
        both = [self.shop.start("data", "inspect", "-p", "tiny.toml", *self.source) for _ in range(2)]
        outs = []
        for process in both:
            out, err = process.communicate(timeout=300)
            self.assertEqual(process.returncode, 0, err)
            outs.append(out)
        self.assertEqual(outs[0], outs[1])
        ranges = sum(-(-os.path.getsize(path) // PART_BYTES) for path in self.images)
        self.assertEqual(self.shop.proxy.count(r"^GET .*/data/images/.*\.\w+$"), ranges)

    def test_an_image_that_is_replaced_makes_another_dataset(self):
        self.cache_of(self.source)
        first, second = (os.path.relpath(path, self.shop.images) for path in self.images[:2])
        with open(self.images[1], "rb") as file:
            self.shop.put("data/images/" + first, file.read())
        self.assertNotEqual(self.cache_of(self.source), self.expected)

    def test_a_copy_that_was_damaged_here_is_read_again(self):
        self.cache_of(self.source)
        copy = self.shop.files("a", os.path.basename(self.images[0]))[0]
        with open(copy, "rb") as file:
            right = file.read()
        with open(copy, "wb") as file:
            file.write(right[:-1] + bytes([right[-1] ^ 1]))
        self.assertEqual(self.cache_of(self.source), self.expected)
        with open(copy, "rb") as file:
            self.assertEqual(file.read(), right)

    def test_faults_on_the_way_change_no_image(self):
        for number, fault in enumerate(("drop", "503", "truncate", "shorten", "flip")):
            with self.subTest(fault):
                self.shop.proxy.clear()
                rule = self.shop.proxy.fault(fault, r"^GET .*/data/images/.*\.\w+$", times=12)
                self.assertEqual(self.cache_of(self.source, machine=f"m{number}"), self.expected)
                self.assertEqual(rule.done, 12)

    def test_a_prefix_that_holds_nothing_is_named(self):
        said = self.shop.refused("data", "inspect", "-p", "tiny.toml", "--set", f"dataset.source=s3://{self.shop.bucket}/nowhere", code=2)
        self.assertIn(f"there is no s3://{self.shop.bucket}/nowhere", said)


class Files(Case):
    def test_a_file_url_is_a_store_like_another(self):
        shop = self.shop
        shop.root = f"file://{shop.path('store')}"
        shop.teacher_cache("--shard", "0/2", machine="a")
        shop.teacher_cache("--shard", "1/2", machine="b")
        _, runs = shop.train(machine="c")
        self.assertEqual(weights(shop, runs), LOCAL_WEIGHTS)
        shard = glob.glob(shop.path("store", "*", "train", "*.parquet"))[0]
        with open(shard, "r+b") as file:
            file.write(b"other")
        cache = "file://" + os.path.dirname(os.path.dirname(shard))
        self.assertIn("overwritten or damaged", shop.refused("cache", "verify", cache, code=3, machine="d"))


class Plans(Case):
    def test_a_plan_knows_what_is_committed(self):
        shop = self.shop
        plan = ("plan", "-p", "tiny.toml", "--cache-dir", shop.root, "--units", "json", "--no-measure")
        states = lambda: [unit["done"] for unit in json.loads(shop.done(*plan, machine="b"))["stage_one"]]
        self.assertEqual(states(), [False] * SHARDS)
        shop.teacher_cache("--shard", "0/2")
        self.assertEqual(states(), [i % 2 == 0 for i in range(SHARDS)])
        self.assertEqual(shop.proxy.count(READS), 0)


class Requests(Case):
    def test_how_many_requests_a_shard_costs(self):
        """Printed for docs/object-stores.md; the bounds are promises."""
        shop = self.shop
        shop.teacher_cache(env={"DECANT_OBJECTS_PART_BYTES": "8388608"})
        made = len(shop.proxy.log)
        by_shard = shop.proxy.count("part-0000")
        shop.proxy.clear()
        shop.done("cache", "verify", shop.cache(), machine="b", env={"DECANT_OBJECTS_PART_BYTES": "8388608"})
        read, ranges = len(shop.proxy.log), shop.proxy.count(READS)
        print(f"\n{SHARDS} shards of one part: {made} requests to make ({by_shard} of them name a shard), {read} to read ({ranges})")
        self.assertEqual((by_shard, ranges), (2 * SHARDS, SHARDS))
        self.assertLessEqual(made - by_shard, 12)
        self.assertLessEqual(read - ranges, 4)


def sealed(record):
    """A record with a checksum that fits, as cache/README.md says."""
    record = {name: value for name, value in record.items() if name != "checksum"}
    text = json.dumps(record, indent=2, ensure_ascii=False).removesuffix("\n}")
    checksum = blake3.blake3(text.encode()).hexdigest()
    return f'{text},\n  "checksum": "{checksum}"\n}}\n'.encode()


if __name__ == "__main__":
    unittest.main(verbosity=2)
