"""The same sweep on any number of ranks, in any order, and by hand: byte for byte the same pictures
and the same histories, timing aside."""
from batch import *  # noqa: F403

TIMING = {"seconds"}


class Pictures(InStore):
    def sweep(self, order, name="jobs.csv"):
        keys = [key for key in CHEAP if key != "output"]  # noqa: F405
        with open(self.path(name), "w", newline="") as file:
            table = csv.writer(file)
            table.writerow([*keys, "style_weight"])
            table.writerows([*(CHEAP[key] for key in keys), weight] for weight in order)  # noqa: F405

    def render(self, order, *options):
        """{id: (picture, history)} of a store of its own."""
        self.sweep(order)
        self.batch(*options, stub=False)
        self.assertClean()
        results = {}
        for path in self.store.glob("jobs/*/*.h5"):
            columns = history(path)  # noqa: F405
            results[path.stem] = (path.with_suffix(".png").read_bytes(),
                                  {name: column.tobytes() for name, column in columns.items()
                                   if name not in TIMING})
        shutil.rmtree(self.store)  # noqa: F405
        self.assertEqual(len(results), len(order))
        return results

    def test_ranks_and_order_change_no_byte(self):
        weights = [0.1, 1, 10]
        expected = self.render(weights)
        self.assertEqual(len({picture for picture, _ in expected.values()}), len(weights))
        for options in (["--ranks", "1"], ["--ranks", "2"], ["--ranks", "4"], ["--threads", "3"]):
            with self.subTest(options=options):
                self.assertEqual(self.render(weights, *options), expected)
        self.assertEqual(self.render([10, 0.1, 1], "--ranks", "2"), expected)
        self.assertEqual(self.render([1], "--ranks", "3"),
                         {key: value for key, value in expected.items() if key in self.ids_of([1])})

    def ids_of(self, order):
        self.sweep(order, "some.csv")
        text = self.atelier("expand", "some.csv").stdout.splitlines()
        return {row["id"] for row in csv.DictReader(text)}

    def test_first_line_of_the_log_rerenders_the_same(self):
        self.sweep([1])
        self.batch(stub=False)
        picture = next(self.store.glob("jobs/*/*.png"))
        before = picture.read_bytes()
        command = picture.with_suffix(".log").read_text().split("\n")[0]
        self.assertTrue(command.startswith("atelier render --into "))
        picture.with_suffix(".h5").unlink()
        words = command.replace("atelier", PROGRAM, 1)
        done = subprocess.run(["sh", "-c", words], cwd=self.folder, capture_output=True, timeout=PATIENCE)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(picture.read_bytes(), before)
        self.assertTrue(picture.with_suffix(".h5").exists())

    def test_checkpoint_seconds_reach_every_render(self):
        self.sweep([1, 10])
        self.batch("--checkpoint-seconds", "7", stub=False)
        logs = [log.read_text().splitlines()[0] for log in self.store.glob("jobs/*/*.log")]
        self.assertEqual([line.count(" --checkpoint-seconds=7") for line in logs], [1, 1])

    def test_corrupt_image_fails_alone(self):
        self.sweep([0.1, 1])
        data = self.path("content.png").read_bytes()
        self.path("torn.png").write_bytes(data[:len(data) // 2])
        with open(self.path("jobs.csv"), "a", newline="") as file:
            row = {**CHEAP, "content": "torn.png"}  # noqa: F405
            csv.writer(file).writerow([*(row[key] for key in CHEAP if key != "output"), 1])  # noqa: F405
        result = self.batch("--ranks", "2", stub=False, code=FAILED)
        self.assertEqual(len(self.done()), 2)
        record, = [json.loads(path.read_text()) for path in self.store.glob("failed/*.json")]
        self.assertEqual(record["end"], "bad_input")
        self.assertIn("torn.png", record["message"])
        self.assertWords(result.stdout, record["id"], "bad input")

    def test_full_disk_ends_the_batch_and_room_lets_it_go_on(self):
        disk = self.mount("240k")
        self.store = disk / "store"
        self.sweep([0.1, 0.3, 1, 3, 10, 30])
        result = self.batch("--ranks", "2", "--patience", "0", stub=False, code=ENVIRONMENT)  # noqa: F405
        self.assertWords(result.stdout + result.stderr, "No space left on device")
        finished = {path: path.stat().st_ino for path in self.store.glob("jobs/*/*.h5")}
        self.assertTrue(0 < len(finished) < 6, finished)
        subprocess.run(["mount", "-o", "remount,size=8m", disk], check=True)
        self.batch("--ranks", "2", stub=False)
        self.assertEqual(len(self.done()), 6)
        self.assertEqual({path: path.stat().st_ino for path in finished}, finished)
        self.assertClean()

    def test_read_only_disk_is_refused_at_once(self):
        disk = self.mount("1m")
        self.store = disk / "store"
        self.sweep([1])
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        result = self.batch("--ranks", "2", stub=False, code=ENVIRONMENT)  # noqa: F405
        self.assertWords(result.stderr, "Read-only file system", str(self.store))

    def test_results_know_their_batch(self):
        self.sweep([1])
        self.batch("--ranks", "1", stub=False)
        facts = attributes(next(self.store.glob("jobs/*/*.h5")))  # noqa: F405
        self.assertEqual((facts["attempts"], facts["rank"]), (1, 0))


if __name__ == "__main__":
    main()  # noqa: F405
