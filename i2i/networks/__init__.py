"""Networks: generators, discriminators and the layers they are made of."""
