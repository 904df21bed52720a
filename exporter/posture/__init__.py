"""What stands open: port classes and the calculus of rules that open a port to the internet."""
