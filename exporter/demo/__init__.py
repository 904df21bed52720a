"""A made-up CloudTrail trail, lifelike in shapes, sizes and mix: what `demo` runs on and benchmarks read."""
