"""What a program does to files, call by call, as strace sees it; and what it does when one fails."""
import collections
import re
import shutil
import subprocess

CHANGES = ("openat lseek write pwrite64 writev fsync fdatasync rename renameat renameat2 link linkat "
           "unlink unlinkat mkdir mkdirat rmdir ftruncate").split()
CALL = re.compile(r"(\d+) +(\w+)\((.*)\) += (-?\d+|\?)([<\s].*)?$")
UNFINISHED = re.compile(r"(\d+) +(\w+)\((.*) <unfinished \.\.\.>$")
RESUMED = re.compile(r"(\d+) +<\.\.\. (\w+) resumed>(.*)$")
STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"\.*$')
ARGUMENT = re.compile(r'"(?:[^"\\]|\\.)*"|<[^>]*>|[^,"<]+|,')

# nth: how many calls of this name the thread has made by then, as strace counts.
Call = collections.namedtuple("Call", "thread name nth words result")


def available():
    return shutil.which("strace") and subprocess.run(["strace", "-qq", "true"], capture_output=True).returncode == 0


def unescape(text):
    return bytes.fromhex(text.replace("\\x", ""))


def split(text):
    """The arguments, each as text, bytes (a string) or (number, path) (a descriptor)."""
    words = [[]]
    for part in ARGUMENT.findall(text):
        if part == ",":
            words.append([])
        else:
            words[-1].append(part)
    return [argument("".join(word).strip()) for word in words]


def argument(word):
    if string := STRING.match(word):
        return unescape(string[1])
    if word.endswith(">") and "<" in word:
        number, _, path = word[:-1].partition("<")
        return (number, unescape(path).decode(errors="replace") if path.startswith("\\x") else path)
    return word


def parse(lines):
    """Every call in the order in which they had their effect."""
    begun, counts, calls = {}, collections.Counter(), []
    for line in lines:
        if started := UNFINISHED.match(line):
            begun[started[1]] = started[3]
            continue
        if ended := RESUMED.match(line):
            line = f"{ended[1]} {ended[2]}({begun.pop(ended[1])}{ended[3]}"
        if call := CALL.match(line):
            thread, name, text, result = call.groups()[:4]
            counts[thread, name] += 1
            calls.append(Call(thread, name, counts[thread, name], split(text),
                              None if result == "?" else int(result)))
    return calls


def record(words, out, names=CHANGES, **options):
    """Runs it and returns its exit code and its calls, children's among them."""
    run = subprocess.run(["strace", "-f", "--seccomp-bpf", "-qq", "-y", "-xx", "-s", "100000000",
                          "-e", "signal=none", "-e", "trace=" + ",".join(names), "-o", out, *words], **options)
    with open(out) as file:
        return run.returncode, parse(line.rstrip("\n") for line in file)


def inject(words, out, name, what, nth, **options):
    """Runs it so that the nth call of this name of any of its threads fails or kills. Returns how
    it ended and how often that struck."""
    run = subprocess.run(["strace", "-f", "-q", "-o", out,
                          "-e", f"trace={name}", "-e", f"inject={name}:{what}:when={nth}", *words], **options)
    with open(out) as file:
        text = file.read()
    return run, text.count("(INJECTED)") + text.count("+++ killed by SIGKILL +++")
