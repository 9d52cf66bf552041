"""What the workloads of the bench work on: generated from a fixed seed, so that every run and machine has the same."""

import grp
import io
import pwd
import random
import tarfile

# The users of Debian's base-passwd that exist on every Debian system: find(1) then resolves them from /etc/passwd
# alone and the row measures no name service. Each once with its own group and once with group 50 (staff).
UIDS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 33, 34, 38, 39, 65534]
OWNERS = [(uid, gid) for uid in UIDS for gid in (50, 65534 if uid == 4 else uid)]
FILES_PER_DIRECTORY = 100
# As many as an ordinary C file has, so that make's system calls and its computing are in an ordinary proportion.
HEADERS = ["errno", "fcntl", "limits", "pthread", "signal", "stdint", "stdio", "stdlib", "string", "sys/socket",
           "sys/stat", "sys/types", "time", "unistd"]
MODES = [0o644] * 12 + [0o600, 0o640, 0o755, 0o4755]


def owned_tar(path, files):
    """Writes a tar of `files` small files of 34 owners to `path`; returns what find(1) has to say of it, sorted."""
    chance = random.Random(34)
    said = []

    def add(archive, name, kind, mode, content=b""):
        member = tarfile.TarInfo(name)
        member.type, member.mode, member.mtime = kind, mode, 1_600_000_000
        member.uid, member.gid = chance.choice(OWNERS)
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
        said.append(f"{user(member.uid)} {group(member.gid)} {mode:o} {name}\n")

    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as archive:
        add(archive, ".", tarfile.DIRTYPE, 0o755)
        for number in range(files):
            directory = f"./d{number // FILES_PER_DIRECTORY:03}"
            if number % FILES_PER_DIRECTORY == 0:
                add(archive, directory, tarfile.DIRTYPE, 0o755)
            content = chance.randbytes(chance.randrange(2000))
            add(archive, f"{directory}/f{number:05}", tarfile.REGTYPE, chance.choice(MODES), content)
    return sorted(said)


def user(uid):
    """The name that find's %u prints: the number if there is none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def group(gid):
    """The same for %g."""
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def c_project(directory, units, functions):
    """Writes `units` C files of `functions` functions each, and a Makefile that compiles them with -O2 and links."""
    directory.mkdir()
    chance = random.Random(60)
    for unit in range(units):
        body = [f"#include <{name}.h>\n" for name in HEADERS]
        for number in range(functions):
            a, b, c = (chance.randrange(3, 1000) for _ in range(3))
            body.append(f"""
int unit{unit}_f{number}(int n, char *text)
{{
    int table[{a % 24 + 8}], sum = {b};
    for (int i = 0; i < (int)(sizeof table / sizeof *table); i++)
        table[i] = (n * {a} + i * {b}) ^ (i << {c % 7});
    for (size_t i = 0; i < strlen(text); i++) {{
        switch (text[i] % {a % 9 + 3}) {{
        case 0: sum += table[i % {a % 8 + 1}]; break;
        case 1: sum ^= text[i] * {c}; break;
        case 2: text[i] = (char)(sum + {b}); break;
        default: sum -= {c} + (int)i;
        }}
    }}
    if (sum % {b} == {a % 3})
        sum += printf("%d %s\\n", sum, text);
    return sum{f" + unit{unit}_f{number - 1}(n - 1, text)" if number else ""};
}}
""")
        if unit == 0:
            body.append("int main(int argc, char **argv) { return unit0_f0(argc, argv[0]) & 1; }\n")
        (directory / f"unit{unit:02}.c").write_text("".join(body))
    (directory / "Makefile").write_text(
        "OBJECTS := $(patsubst %.c,%.o,$(sort $(wildcard *.c)))\n"
        "program: $(OBJECTS)\n\tgcc -o $@ $(OBJECTS)\n"
        "%.o: %.c\n\tgcc -O2 -c -o $@ $<\n"
    )
