"""Benches print the machine first, and refuse to run with a crippled BLAS."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from machine import check_environment, machine_line


def pytest_report_header():
    check_environment()
    return f"machine: {machine_line()}"


def pytest_terminal_summary(terminalreporter):
    rows = [
        dict(report.user_properties)
        for report in terminalreporter.stats.get("passed", [])
        if "batch" in dict(report.user_properties)
    ]
    if not rows:
        return
    terminalreporter.section("step against its matrix products (medians)")
    terminalreporter.write_line("device     batch   ms/step   GEMM ms   outside GEMM   images/s")
    for r in rows:
        terminalreporter.write_line(
            f"{r['device']:<10}{r['batch']:>6}{r['step_ms']:>10.3f}{r['gemm_ms']:>10.3f}"
            f"{max(1 - r['gemm_ms'] / r['step_ms'], 0):>14.0%}"
            f"{r['batch'] / r['step_ms'] * 1e3:>12,.0f}"
        )
