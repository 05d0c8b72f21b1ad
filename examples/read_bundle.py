#!/usr/bin/env python3
"""Read a bundle of llmc with nothing but Python's library: the format, said once more as a program.

    read_bundle.py FILE                    lists blocks and tensors, checks that the bundle is whole
    read_bundle.py FILE 0 attn.q.weight    prints the first row of a tensor, dequantized

llmc-bundle(5) is the specification.  Digests (XXH3-64) are checked where the module xxhash is installed.
"""
import json
import struct
import sys
import tarfile

try:
    import xxhash
except ImportError:
    xxhash = None


def safetensors(data):
    """{name: (dtype, shape, bytes)}: 8 bytes of header length, the header (JSON), the tensors."""
    (n,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8:8 + n])
    header.pop("__metadata__", None)
    tensors = {}
    for name, t in header.items():
        begin, end = t["data_offsets"]
        tensors[name] = t["dtype"], t["shape"], data[8 + n + begin:8 + n + end]
    return tensors


def floats(dtype, data):
    if dtype == "F32":
        return list(struct.unpack("<%df" % (len(data) // 4), data))
    if dtype == "F16":
        return list(struct.unpack("<%de" % (len(data) // 2), data))
    if dtype == "BF16":  # the upper half of an F32
        halves = struct.unpack("<%dH" % (len(data) // 2), data)
        return [struct.unpack("<f", struct.pack("<I", h << 16))[0] for h in halves]
    raise ValueError("no float type: " + dtype)


def group_size(spec, columns):
    """Columns that share a scale: "int4:g128:asym" has 128, but never more than there are."""
    for word in spec.split(":"):
        if word[0] == "g" and word[1:].isdigit():
            return min(int(word[1:]), columns)
    return columns


def row(tensors, note, name, r):
    """Row r of a weight [out, in]: w = (code - zero) * scale."""
    record = note.get("q", {}).get(name)
    if record is None:
        dtype, shape, data = tensors[name]
        size = len(data) // (shape[0] if len(shape) > 1 else 1)
        return floats(dtype, data[r * size:(r + 1) * size])
    out, columns = record["shape"]
    size = group_size(record["spec"], columns)
    groups = -(-columns // size)
    code = tensors[name + ".code"][2][r * columns:(r + 1) * columns]
    scale = floats("F32", tensors[name + ".scale"][2][4 * r * groups:4 * (r + 1) * groups])
    if name + ".zero" in tensors:
        zero = tensors[name + ".zero"][2][r * groups:(r + 1) * groups]
    else:
        zero = [1 << (int(record["spec"][3]) - 1)] * groups
    group = [c // size for c in range(columns)]
    if name + ".perm" in tensors:  # column perm[k] is in group k / size
        perm = struct.unpack("<%di" % columns, tensors[name + ".perm"][2])
        for k, c in enumerate(perm):
            group[c] = k // size
    return [(code[c] - zero[group[c]]) * scale[group[c]] for c in range(columns)]


def blocks(path):
    """Yields (label, note, tensors) in the order of execution, after "manifest"; raises unless the bundle is whole."""
    seen, note, end = [], {}, None
    with tarfile.open(path, "r|*") as tar:
        for member in tar:
            data = tar.extractfile(member).read()
            if end is not None:
                raise ValueError("something after end.json")
            if member.name == "end.json":
                end = json.loads(data)
                continue
            seen.append((member.name, len(data), xxhash and xxhash.xxh3_64_hexdigest(data)))
            if member.name == "llmc.json":
                manifest = json.loads(data)
                if manifest["llmc"] > 1 or manifest.get("requires"):
                    raise ValueError("a bundle of a later version")
                yield "manifest", manifest, {}
            elif member.name.startswith(("block/", "embed.", "head.")):
                label, kind = member.name.rsplit(".", 1)
                if kind == "json":
                    note = json.loads(data)
                elif kind == "safetensors":
                    yield label, note, safetensors(data)
                    note = {}
    # A tar that was cut between two members reads as complete: only the trailer tells.
    if end is None:
        raise ValueError("truncated: no end.json")
    listed = [(m["name"], m["size"], xxhash and m["xxh3"]) for m in end["members"]]
    if listed != seen:
        raise ValueError("damaged: end.json lists other members, sizes or digests")


def main():
    if len(sys.argv) not in (2, 4):
        sys.exit(__doc__)
    for label, note, tensors in blocks(sys.argv[1]):
        if len(sys.argv) == 2:
            for name in sorted(tensors):
                print(label, name, *tensors[name][:2])
        elif label in (sys.argv[2], "block/%04d" % int(sys.argv[2]) if sys.argv[2].isdigit() else None):
            print(*("%.9g" % w for w in row(tensors, note, sys.argv[3], 0)))


if __name__ == "__main__":
    try:
        main()
    except (ValueError, KeyError, OSError, tarfile.TarError) as e:
        sys.exit("read_bundle.py: %s: %s" % (sys.argv[1], e))
