"""A stream of sensor readings: made up, but repeatable; one JSON object or CSV row a reading.

    python3 generate.py --sensors 3 --readings 1000 --format csv > readings.csv
    python3 generate.py --follow            # one reading a sensor and second, for ever

Temperature follows the time of day, drifts a little, is noisy, and now and then jumps: so there is
something to smooth, to aggregate and to alert on.  Only the standard library is used.
"""

import argparse
import csv
import json
import math
import random
import sys
import time

FIELDS = ["time", "sensor", "temperature_c", "humidity_pct", "battery_v", "anomaly"]


def reading(rng, sensor, second, drift):
    day = math.sin((second % 86400) / 86400 * 2 * math.pi - math.pi / 2)
    anomaly = rng.random() < 0.002
    temperature = 18 + sensor % 5 + 6 * day + drift + rng.gauss(0, 0.15) + (rng.choice((-1, 1)) * rng.uniform(8, 15) if anomaly else 0)
    humidity = min(100.0, max(5.0, 55 - 12 * day + rng.gauss(0, 1.0)))
    return {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(second)),
        "sensor": f"sensor-{sensor:03d}",
        "temperature_c": round(temperature, 2),
        "humidity_pct": round(humidity, 1),
        "battery_v": round(3.3 - (second % 2_592_000) / 2_592_000 * 0.4, 3),
        "anomaly": int(anomaly),
    }


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--sensors", type=int, default=3)
    p.add_argument("--readings", type=int, default=1000, help="a sensor")
    p.add_argument("--start", type=int, default=1767225600, help="seconds since 1970 of the first reading")
    p.add_argument("--interval", type=int, default=60, help="seconds between two readings of a sensor")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--format", choices=["json", "csv"], default="json")
    p.add_argument("--follow", action="store_true", help="go on in real time")
    a = p.parse_args()
    rng = random.Random(a.seed)
    drift = [0.0] * a.sensors
    out = csv.DictWriter(sys.stdout, FIELDS, lineterminator="\n")
    if a.format == "csv":
        out.writeheader()
    step = 0
    while a.follow or step < a.readings:
        now = int(time.time()) if a.follow else a.start + step * a.interval
        for sensor in range(a.sensors):
            drift[sensor] = 0.995 * drift[sensor] + rng.gauss(0, 0.03)
            row = reading(rng, sensor, now, drift[sensor])
            if a.format == "csv":
                out.writerow(row)
            else:
                print(json.dumps(row))
        if a.follow:
            sys.stdout.flush()
            time.sleep(1)
        step += 1


if __name__ == "__main__":
    try:
        main()
    except (KeyboardInterrupt, BrokenPipeError):
        pass
