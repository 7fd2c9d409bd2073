"""What a power cut would leave of a node's data folder, by the system calls that strace saw.

usage: power_loss.py TRACE DATA_DIR OUT CUTS

A disk that keeps exactly what was synced and nothing else: the bytes of a file as they were when its last fsync or
fdatasync began, a name when its folder was synced after it was made, a rename as one step. CUTS times over the trace,
each right after a C-STORE success was sent, two folders are written below OUT: N-dropped, where nothing happened
that was not synced, and N-named, where the names of the moment are there, but of the bytes only what was synced
(which is what ext4 does to a new file). N-acknowledged lists the SOP Instance UIDs of the successes before the cut.
"""

import os
import pathlib
import re
import sys

CALL = re.compile(r"^(\d+) +(\w+)\((.*)\) += (-?\d+)")
UNFINISHED = re.compile(r"^(\d+) +(\w+)\((.*) <unfinished \.\.\.>$")
RESUMED = re.compile(r"^(\d+) +<\.\.\. (\w+) resumed>(.*)\) += (-?\d+)")
TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?')
# (0000,0900) Status of two bytes, 0000H; (0000,1000) Affected SOP Instance UID, Implicit VR Little Endian.
SUCCESS = bytes.fromhex("00000009020000000000")
AFFECTED = bytes.fromhex("00000010")
# SQLite rebuilds it, and writes it through memory.
IGNORED = ("-shm",)


class Inode:
    def __init__(self):
        self.bytes, self.synced = bytearray(), b""


class Disk:
    """Files as the node sees them, and as a power cut would leave them."""

    def __init__(self, root):
        self.root, self.open = root, {}
        self.names, self.durable, self.pending = {}, {}, []

    def texts(self, arguments):
        found = []
        for text, cut in TEXT.findall(arguments):
            if cut:
                raise SystemExit("the trace is cut short: raise strace -s")
            found.append(bytes.fromhex(text.replace("\\x", "")))
        return found

    def change(self, **names):
        """A change of names: it is durable when one of its folders is synced."""
        self.apply(self.names, names["gone"], names["made"])
        self.pending.append((names["gone"], names["made"]))

    @staticmethod
    def apply(names, gone, made):
        for path in gone:
            names.pop(path, None)
        names.update(made)

    def done(self, call, arguments, result, begun):
        if result < 0:
            return
        texts = self.texts(arguments)
        descriptor = int(number[0]) if (number := re.match(r"\d+", arguments)) else None
        if call == "openat":
            path = texts[0].decode(errors="replace")
            if "O_CREAT" in arguments and path not in self.names and path.startswith(self.root):
                self.change(gone=[], made={path: Inode()})
            self.open[result] = [self.names.get(path, path), 0]
            if "O_TRUNC" in arguments and path in self.names:
                self.names[path].bytes.clear()
        elif call in ("rename", "renameat", "renameat2"):
            source, target = (text.decode(errors="replace") for text in texts)
            if source in self.names:
                self.change(gone=[source], made={target: self.names[source]})
        elif call in ("unlink", "unlinkat"):
            path = texts[0].decode(errors="replace")
            if path in self.names:
                self.change(gone=[path], made={})
        elif call in ("fsync", "fdatasync"):
            inode, snapshot = begun
            if isinstance(inode, Inode):
                inode.synced = snapshot
            else:
                still = []
                for gone, made in self.pending:
                    if (gone, made) in snapshot and any(os.path.dirname(p) == inode for p in [*gone, *made]):
                        self.apply(self.durable, gone, made)
                    else:
                        still.append((gone, made))
                self.pending = still
        elif descriptor in self.open and isinstance(self.open[descriptor][0], Inode):
            entry = self.open[descriptor]
            data = entry[0].bytes
            if call == "write":
                self.put(data, entry[1], texts[0][:result])
                entry[1] += result
            elif call == "pwrite64":
                self.put(data, int(arguments.rsplit(",", 1)[1]), texts[0][:result])
            elif call == "ftruncate":
                length = int(arguments.rsplit(",", 1)[1])
                del data[length:]
                data.extend(bytes(length - len(data)))
            elif call == "lseek":
                entry[1] = result

    @staticmethod
    def put(data, at, new):
        data.extend(bytes(max(0, at - len(data))))
        data[at:at + len(new)] = new

    def begin(self, call, arguments):
        """What a sync will have made durable: what was there when it began."""
        if call not in ("fsync", "fdatasync"):
            return None
        file = self.open.get(int(re.match(r"\d+", arguments)[0]), [None])[0]
        return (file, bytes(file.bytes)) if isinstance(file, Inode) else (file, list(self.pending))

    def write(self, names, folder):
        for path, inode in names.items():
            if not path.endswith(IGNORED):
                file = folder / os.path.relpath(path, self.root)
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(inode.synced)


def events(trace):
    """(call, arguments, result, line it began in, line it ended in), in the order of their ends."""
    running = {}
    for number, line in enumerate(trace.open(errors="replace")):
        if found := UNFINISHED.match(line):
            running[found[1], found[2]] = found[3]
            yield "begin", found[2], found[3], 0, found[1]
        elif found := RESUMED.match(line):
            begun = running.pop((found[1], found[2]), "")
            yield "end", found[2], begun + found[3], int(found[4]), found[1]
        elif found := CALL.match(line):
            yield "begin", found[2], found[3], 0, found[1]
            yield "end", found[2], found[3], int(found[4]), found[1]


def acknowledged(arguments, disk):
    """The SOP Instance UID that a message answers success for."""
    texts = disk.texts(arguments)
    message = texts[0] if texts else b""
    if SUCCESS not in message or AFFECTED not in message:
        return None
    at = message.rindex(AFFECTED) + 4  # the last element; a Message ID may look like it
    length = int.from_bytes(message[at:at + 4], "little")
    return message[at + 4:at + 4 + length].rstrip(b"\0 ").decode()


def main():
    trace, root, out, cuts = pathlib.Path(sys.argv[1]), sys.argv[2], pathlib.Path(sys.argv[3]), int(sys.argv[4])
    total = sum(1 for kind, call, arguments, *_ in events(trace)
                if (kind, call) == ("begin", "sendto") and acknowledged(arguments, Disk(root)))
    at = {round((n + 1) * total / cuts) for n in range(cuts)}
    disk, said, begun = Disk(root), [], {}
    for kind, call, arguments, result, thread in events(trace):
        if kind == "end":
            disk.done(call, arguments, result, begun.pop((thread, call), None))
            continue
        begun[thread, call] = disk.begin(call, arguments)
        if call == "sendto" and (uid := acknowledged(arguments, disk)):
            said.append(uid)
            if len(said) in at:
                disk.write(disk.durable, out / f"{len(said)}-dropped")
                disk.write(disk.names, out / f"{len(said)}-named")
                (out / f"{len(said)}-acknowledged").write_text("\n".join(said))
    print(len(said))


main()
