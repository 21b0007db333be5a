#!/usr/bin/env python3
"""Questions in Parquet, as data sets are often published, to the JSON Lines that circuitdiff reads.

  parquet_to_jsonl.py FILE.parquet... > questions.jsonl        (needs pyarrow: pip install pyarrow)
"""
import json
import sys


def main():
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
        sys.exit(__doc__)
    try:
        import pyarrow.parquet
    except ImportError:
        sys.exit("error: the Python package pyarrow is missing: pip install pyarrow")
    for path in sys.argv[1:]:
        for batch in pyarrow.parquet.ParquetFile(path).iter_batches():
            for row in batch.to_pylist():
                print(json.dumps(row, ensure_ascii=False, default=str))


if __name__ == "__main__":
    main()
