"""Benches print the machine first, and refuse to run with a crippled BLAS."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from tinynet.kernels import why_not
from tinynet.measuring.machine import card_line, forced_blas, machine_line


def pytest_report_header():
    if forced_blas():
        raise SystemExit(forced_blas())
    cards = [f"card: {card_line()}"] if why_not("gpu") is None else []
    return [f"machine: {machine_line()}", *cards]


def pytest_terminal_summary(terminalreporter):
    passed = [dict(r.user_properties) for r in terminalreporter.stats.get("passed", [])]
    steps, kernels = ([r for r in passed if key in r] for key in ("step_ms", "kernel"))
    if steps:
        _table_of_steps(terminalreporter, steps)
    if kernels:
        _table_of_kernels(terminalreporter, kernels)


def _table_of_steps(reporter, rows):
    reporter.section("step against its matrix products (medians)")
    reporter.write_line("device     batch   ms/step   GEMM ms   outside GEMM   images/s")
    for r in rows:
        reporter.write_line(
            f"{r['device']:<10}{r['batch']:>6}{r['step_ms']:>10.3f}{r['gemm_ms']:>10.3f}"
            f"{max(1 - r['gemm_ms'] / r['step_ms'], 0):>14.0%}"
            f"{r['batch'] / r['step_ms'] * 1e3:>12,.0f}"
        )


def _table_of_kernels(reporter, rows):
    reporter.section(f"kernels on one thread, {rows[0]['rows']} rows (medians)")
    reporter.write_line(f"{'kernel':<30}{'us':>10}{'rate':>18}   share of BLAS, or of a copy")
    for r in rows:
        rate = f"{r['rate']:.1f} {r['unit']:<7}"
        reporter.write_line(f"{r['kernel']:<30}{r['us']:>10.1f}{rate:>18}   {r['share']:.2f}")
