"""Reads a text of OpenMetrics from standard input, strictly, and says what is in it as JSON."""
import json
import sys

from prometheus_client.openmetrics.parser import text_string_to_metric_families

families = text_string_to_metric_families(sys.stdin.buffer.read().decode())
print(json.dumps([[family.name, family.type, family.unit, family.documentation, [[sample.name, sample.labels, repr(sample.value), sample.exemplar.labels if sample.exemplar else None] for sample in family.samples]] for family in families]))
