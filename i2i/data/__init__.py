"""Images from disk to batches: folders, known data sets, augmentation pipelines, samples, endless batches."""
