#!/usr/bin/python3
"""atelier bench: rows by size, precision and threads, whose parts fit into their whole."""
import json

from atelier import DONE, INPUT, InFolder, main


class Bench(InFolder):
    QUICK = ["--threads", "1", "--seconds", "0.01"]

    def rows(self, *words):
        result = self.atelier("bench", "--json", *self.QUICK, *words)
        self.assertEqual(result.returncode, DONE, result.stderr)
        return json.loads(result.stdout)["rows"]

    def test_json_has_a_row_a_size_whose_parts_fit_into_it(self):
        rows = self.rows("--precision", "f32", "--sizes", "32,48")
        self.assertEqual([(r["size_px"], r["precision"], r["threads"]) for r in rows],
                         [(32, "f32", 1), (48, "f32", 1)])
        for row in rows:
            self.assertAlmostEqual(row["evaluations_per_second"] * row["seconds"], 1, places=3)
            self.assertGreater(row["of_peak"], 0)
            self.assertEqual([l["layer"] for l in row["layers"]][::13], ["conv1_1", "conv5_2"])
            layers = [l[way] for l in row["layers"] for way in ("forward_s", "backward_s")]
            self.assertGreater(min(layers), 0, row)
            self.assertLessEqual(sum(layers), 1.001 * row["seconds"], row)
            self.assertTrue(0 < sum(row["stages_s"].values()) <= 1.001 * row["seconds"], row)
            self.assertIn({l["engine"] for l in row["layers"]},
                          ({"direct", "winograd"}, {"direct", "onednn-split"}))

    def test_table_names_layers_and_stages(self):
        result = self.atelier("bench", *self.QUICK, "--precision", "f32", "--sizes", "32")
        self.assertEqual(result.returncode, DONE, result.stderr)
        self.assertWords(result.stdout, "GFLOP/s", "32 px", "conv1_1", "conv5_2", "gram", "rest")

    def test_what_is_no_list_of_numbers(self):
        for text in ("", "x", "32;64", "31", "8193", "32,,64", "-5"):
            result = self.atelier("bench", f"--sizes={text}")
            self.assertEqual((result.returncode, result.stdout), (INPUT, ""), text)
            self.assertWords(result.stderr, "sizes")


if __name__ == "__main__":
    main()
