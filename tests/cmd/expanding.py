"""What the tests of sweep files and manifests share."""
import csv
import io
import re

from atelier import DONE, INPUT, InFolder, write_weights


class Expanding(InFolder):
    def setUp(self):
        super().setUp()
        write_weights(self.path("vgg.h5"))

    def write(self, name, text):
        data = text if isinstance(text, bytes) else text.encode()
        self.path(name).write_bytes(data)
        return name

    def expand(self, text, name="manifest.csv", options=()):
        """The rows of what is printed, as dictionaries."""
        result = self.atelier("expand", *options, self.write(name, text))
        self.assertEqual(result.returncode, DONE, result.stderr)
        self.printed, self.said = result.stdout, result.stderr
        return list(csv.DictReader(io.StringIO(result.stdout)))

    def refuse(self, text, *words, name="manifest.csv"):
        result = self.atelier("expand", self.write(name, text))
        self.assertEqual(result.returncode, INPUT, result.stderr)
        self.assertEqual(result.stdout, "")
        self.assertWords(result.stderr, *words)
        self.assertRegex(result.stderr.splitlines()[-1],
                         rf"^atelier expand: {re.escape(name)}: \d+ errors?$")
        return result.stderr
