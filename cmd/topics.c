#include "topics.h"

#include <stddef.h>
#include <string.h>

static const char security[] =
    "Whom atelier trusts:\n"
    "\n"
    "  trusted  who runs it, root, the program and its libraries, PATH, the kernel; the ranks of\n"
    "           a batch trust each other, and mpirun or Slurm lets nobody else among them\n"
    "  shared   folders that others may write to as well: the store of a group, a shared cache,\n"
    "           /tmp, /dev/shm\n"
    "  foreign  every file that is read, all texts in it, and what comes over the network\n"
    "\n"
    "A shared store is as good as those who may write to it. They can remove results, put others\n"
    "in their place, and keep a batch from working there, as with any files. A result's digest\n"
    "tells damage, not forgery: nothing is signed. What they cannot do is reach what is yours\n"
    "elsewhere: nothing in a store, a cache or a scratch folder is opened, written, moved or\n"
    "removed over a link that somebody else has made; only regular files are opened, so that a\n"
    "FIFO holds nobody up; temporary files have names that cannot be guessed and are made anew;\n"
    "scratch folders are removed only if they are ours and closed to all others.\n"
    "\n"
    "Who may see a store is up to its folder: what is made there has the rights that your umask\n"
    "leaves. Pictures, parameters, paths, host names and command lines are in it, and in report\n"
    "pages made of it.\n"
    "\n"
    "A foreign file can make a command refuse, with the reason; it should not get further.\n"
    "\n"
    "  weights   read, never executed: of a pickle only what a table of tensors needs; HDF5\n"
    "            only from what the file itself holds, no links, external data or virtual\n"
    "            datasets, and in a child process with limits on memory, processor and clock\n"
    "  results, checkpoints\n"
    "            the same checks\n"
    "  pictures  sizes, profiles and texts are bounded before memory is taken for them; they\n"
    "            are decoded in the program itself, by libpng, libjpeg-turbo, libwebp, libtiff\n"
    "            and libheif: keep those up to date\n"
    "  texts     names, errors and hosts reach a terminal with control characters made visible,\n"
    "            a command to be pasted with quotes, a table for spreadsheets so that no cell is\n"
    "            taken for a formula, a report page as text (its policy lets no other script run)\n"
    "\n"
    "Weights are fetched from the addresses that 'atelier weights' lists: over https, with the\n"
    "server's certificate verified, where the publisher offers it. They get their name only when\n"
    "size and SHA-256 are those that this program holds. Nothing else uses the network, but for a\n"
    "batch's ranks among each other (by mpirun, not encrypted).\n"
    "\n"
    "What has its name is on the disk: bytes are synced before a file is named, its folder after\n"
    "that. So a published result outlives kill -9 and power cuts at any instant, where the disk\n"
    "and a network file system keep what they have said to be synced. At most the work since a\n"
    "render's last state (--checkpoint-seconds) is repeated.\n"
    "\n"
    "Not promised: that a machine under somebody else's root is safe, that a render hides how\n"
    "long it takes or how much memory it uses, or that the same user's other programs do no harm.\n"
    "\n"
    "Found a fault? Report it in private to the maintainers of the repository that you have\n"
    "atelier from, before it is public, with what 'atelier --version' says, the command, and the\n"
    "file if it may be passed on.\n";

const struct topic topics[] = {
    {"security", "whom and what atelier trusts, and what a shared store promises", security},
};
const int topic_count = sizeof topics / sizeof *topics;

const struct topic *topic_find(const char *name)
{
    for (int i = 0; i < topic_count; i++)
        if (strcmp(topics[i].name, name) == 0)
            return &topics[i];
    return NULL;
}
