"""Networks: generators, discriminators and their layers."""
