"""A stand-in for AWS for tests, demos and trying out: moto's services on one endpoint, with the CloudTrail that moto has not.

An optional extra beside the product, which never imports it. `python -m sandbox --help` tells how to run it.
"""
