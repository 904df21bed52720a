"""A fixed store and a fixed clock, and the page that they give, byte for byte."""
