"""Documents as PyYAML writes them, with what they mean (every scalar as text). Needs PyYAML 6.

python make.py > golden.json     the committed ones
python make.py 40000 > /tmp/…    more, to look for trouble
"""
import json
import random
import sys

import yaml

random.seed(7)
texts = [
    'a', "it's", 'a: b', 'x # y', '- z', '"q"', 'null', '~', 'true', '3', '', '  lead', 'trail  ', 'line one\nline two', '\nlead', 'tab\there', 'ü☃', '[1]', '{a}', '&x', '*y', '!t', '|', '>',
    '%', '@', '`', '?', 'a\\b', '\\', 'long ' * 40, 'verylong' * 30, 'two\n\nthree\n', '#c', ': c', 'c:', '\x07', 'é"\'', '0x1F', '1e3', '[{"name": "x", "type": "tensor"}, ' * 6, '\U0001F4A5', 'x' * 79 + ' y',
    "a' " * 50, 'multi\nline: ' * 9, 'ends with space \n next', 'a\n b\n  c',
]
# A key of several lines, or longer than a line, is written in a way that we pass over.
keys = [text for text in texts if '\n' not in text and len(text) < 100]


def value(depth):
    kind = random.random()
    if depth > 3 or kind < 0.55:
        return random.choice(texts)
    if kind < 0.62:
        return None
    if kind < 0.8:
        return [value(depth + 1) for _ in range(random.randint(0, 3))]
    return {random.choice(keys) + str(index): value(depth + 1) for index in range(random.randint(0, 3))}


documents = []
for _ in range(int(sys.argv[1]) if len(sys.argv) > 1 else 150):
    content = {random.choice(keys) + str(index): value(0) for index in range(random.randint(1, 4))}
    documents.append({'yaml': yaml.safe_dump(content, default_flow_style=False, allow_unicode=random.random() < 0.5), 'value': content})
json.dump(documents, sys.stdout, indent=0)
