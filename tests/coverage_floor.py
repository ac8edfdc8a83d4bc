"""Fails unless branch coverage of the places that must be right is 100 %: what is judged, and what is parsed."""

import subprocess
import sys

PARSERS = (
    "probes/spf*.py,probes/dkim.py,probes/dmarc.py,probes/webhook*.py,probes/sns.py,probes/ses_events.py,"
    "probes/google_postmaster_parse.py,probes/google_postmaster_faults.py,probes/mail_*.py,probes/mime.py,probes/arf.py,"
    "probes/dsn.py,probes/aggregates.py,probes/attribution.py,probes/feedback_verdict.py,probes/reporters.py,"
    "probes/aggregate_report.py,probes/dmarc_aggregate.py,probes/tls_report.py,probes/authentication_days.py,"
    "probes/*_events.py,probes/event_parts.py,probes/daily_numbers.py,probes/microsoft_snds_parse.py,probes/graph_parse.py"
)
FLOORS = {"deliverd/core/*": 100, PARSERS: 100}
"""Files -> the least branch coverage in percent."""


def main() -> int:
    failed = 0
    for files, floor in FLOORS.items():
        command = [sys.executable, "-m", "coverage", "report", f"--include={files}", f"--fail-under={floor}", "-m"]
        print(f"branch coverage of {files}: at least {floor} %")
        failed |= subprocess.run(command, check=False).returncode
    return failed


if __name__ == "__main__":
    sys.exit(main())
