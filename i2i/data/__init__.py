"""Images from disk to batches.

Files:    `known` (data sets by name), `folders` (layouts), `sources` (the data of a recipe), `check`, `tile`
Samples:  `reading` (files to arrays to tensors), `augment` (steps in `geometry` and albumentations), `samples`
Batches:  `batch` (their types), `loader`, `batch_augment` (steps of kornia), `degradation`
World:    `world` draws streets, simulated and real, with label maps
"""
