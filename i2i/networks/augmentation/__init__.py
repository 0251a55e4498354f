"""Augmentations in front of a discriminator, for small data sets: real images and fakes pass them, gradients too.

`diffaugment` (a fixed policy), `ada` (its strength follows overfitting), `ada_transforms` (what ADA does to images),
`base` (what all have, and their random numbers), `options` (of every discriminator's table in a recipe)
"""
