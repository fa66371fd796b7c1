"""The README's examples, to be executed."""
import pathlib
import re

README = pathlib.Path(__file__).resolve().parents[2] / "README.md"


def snippets(section, language):
    """The code blocks of a language in a section, in order."""
    text = README.read_text()
    match = re.search(rf"^## {re.escape(section)}\n(.*?)(?=^## )", text, re.M | re.S)
    assert match, f"the README has no section '{section}'"
    return re.findall(rf"^```{language}\n(.*?)^```$", match[1], re.M | re.S)
