"""``make bench``: what the governed path costs, measured side by side in one run. Ratios count; machines are noisy."""

import os
import platform

from benchmarks.awake import awake_processors
from benchmarks.gate_cost import measure_gate
from benchmarks.http_throughput import CONNECTIONS, measure_http
from benchmarks.sample import jpeg_of_150_kb
from benchmarks.worker_cost import run_worker_benchmark


def main() -> None:
    image = jpeg_of_150_kb()
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores; a JPEG of {len(image)} bytes; medians")
    gate = measure_gate(image)
    print(f"\nThe gate, embedded no-op (the bare function: {gate.bare_us:.2f} us)")
    print(f"  gate alone                             {gate.plain_us:7.1f} us a call   (must: 40)")
    print(f"  with log line, metrics, both schemas   {gate.full_us:7.1f} us a call")
    with awake_processors():
        awake = run_worker_benchmark(image)
    asleep = run_worker_benchmark(image)
    print(f"\nA worker call over the function itself ({awake.bare_us:.2f} us), one caller")
    for state, cost, must in (("kept awake", awake, "(must: 100)"), ("asleep between turns", asleep, "")):
        print(f"  processors {state:21}   {cost.p50_us:7.1f} us p50   {cost.p99_us:7.1f} us p99   {must}")
    http = measure_http(image)
    print(f"\nHTTP, raw body, {CONNECTIONS} connections, no-op plugin")
    print(f"  Sightgate, plugin in a worker   {http.sightgate_s:7.0f} requests/s   p99 {http.sightgate_p99_ms:6.1f} ms")
    print(f"  bare FastAPI, thread pool       {http.bare_s:7.0f} requests/s   p99 {http.bare_p99_ms:6.1f} ms")
    print(f"  ratio {http.ratio:.2f} (of the rounds: {http.ratio_min:.2f} to {http.ratio_max:.2f})   (must: 0.75)")


if __name__ == "__main__":
    main()
