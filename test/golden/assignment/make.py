"""Points of units by mmh3 (the C++ of SMHasher's MurmurHash3_x86_32): python make.py > golden.json

Each is mmh3 of the UTF-8 bytes of `name:unit` under the seed of its lane. A lone surrogate is written as U+FFFD first, as encoders of text do.
"""
import json
import mmh3
from importlib.metadata import version

ARM, EXPOSURE, NAMESPACE = 0x6F757472, 0x65787073, 0x6E616D65
names = ["split", "a", "ab", "abc", "abcd", "checkout-2", "prüfung", "東京", "x🛶"]
units = [
    "", "1", "12", "123", "1234", "12345", "user-17", "ATL-ORD-2001-02-03", "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
    "é", "Zoë", "aé", "abé", "abcé", "日本", "a日", "ab日本語", "🛶", "a🛶", "ab🛶b", "abc🛶", "é日🛶x", "\u007f\u0080\u07ff\u0800\uffff", "\U0010ffff",
    "\ud800", "a\udc00b", "\ud800\ud800", "\udc00\ud800", "abc\ud83d", "\ud83dé",
]

def utf8(text):
    # Pairs of surrogates are written as such in no literal above, so that each that is left stands alone.
    return "".join("\ufffd" if 0xD800 <= ord(c) < 0xE000 else c for c in text).encode()

rows = [
    {"name": name, "unit": unit, **{lane: mmh3.hash(utf8(name + ":" + unit), seed, signed=False) for lane, seed in (("arm", ARM), ("exposure", EXPOSURE), ("namespace", NAMESPACE))}}
    for name in names for unit in units
]
rows_json = ",\n  ".join(json.dumps(row) for row in rows)
print('{"by": "mmh3 %s", "points": [\n  %s\n]}' % (version("mmh3"), rows_json))
