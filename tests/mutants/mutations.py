"""The list of mutations. It grows with the project: add the line that a bug report showed to be untested."""

from typing import NamedTuple


class Mutation(NamedTuple):
    """`old` must occur exactly once in the file; the mutant has `new` in its place, and `tests` must fail for it."""

    name: str
    file: str
    old: str
    new: str
    tests: str  # words for pytest


STATE, TEST_STATE = "i2i/training/train_state.py", "tests/training/test_train_state.py"
TRAINER, TEST_TRAINER = "i2i/training/trainer.py", "tests/training/test_trainer.py"
ACCUMULATION, TEST_ACCUMULATION = "i2i/training/accumulation.py", "tests/training/test_accumulation.py"
UPDATE = "i2i/training/update.py"

MUTATIONS = [
    # What the trainer does around a method.
    Mutation("the schedule is never applied", UPDATE, "= base_rate * rate_factor", "= base_rate", TEST_STATE),
    Mutation("clip_norm is ignored", UPDATE, "if self._clip_norm:", "if False:", TEST_STATE),
    Mutation("bfloat16 is ignored", STATE, 'self.options.precision == "bfloat16"', "False", TEST_STATE),
    Mutation("autocast keeps old weights", STATE, "cache_enabled=False", "cache_enabled=True", TEST_STATE),
    Mutation("channels_last: weights", STATE, "if self.options.channels_last:", "if False:", TEST_STATE),
    Mutation(
        "channels_last: batches",
        TRAINER,
        "layout = torch.channels_last if self.options.channels_last else torch.preserve_format",
        "layout = torch.preserve_format",
        TEST_TRAINER,
    ),
    Mutation("compile is ignored", STATE, "if self.options.compile:", "if False:", TEST_STATE),
    Mutation(
        "EMA does not warm up",
        "i2i/training/ema.py",
        "min(decay, (1 + step) / (10 + step)) if warmup else decay",
        "decay",
        TEST_STATE,
    ),
    Mutation("every save is the best", TRAINER, "score is None or score < self.best", "True", TEST_TRAINER),
    Mutation(
        "a resume forgets the best score",
        TRAINER,
        'self.best = state["best"] if',
        'self.best = float("inf") if',
        TEST_TRAINER,
    ),
    Mutation(
        "norms are those of clipped gradients",
        UPDATE,
        "nn.utils.get_total_norm(gradients).detach()",
        "nn.utils.get_total_norm(gradients).detach().clamp(max=self._clip_norm or 1e9)",
        TEST_STATE,
    ),
    # Gradient accumulation.
    Mutation("passes draw other numbers", ACCUMULATION, "set_random_state(random, device)", "pass", TEST_ACCUMULATION),
    Mutation(
        "passes change the buffers",
        ACCUMULATION,
        "method.load_state_dict(deepcopy(state), strict=False)",
        "pass",
        TEST_ACCUMULATION,
    ),
    Mutation(
        "passes change the image pools",
        ACCUMULATION,
        "method.load_state_dict(deepcopy(state), strict=False)",
        "method.load_state_dict(state, strict=False)",
        TEST_ACCUMULATION,
    ),
    Mutation("earlier updates are forgotten", ACCUMULATION, "< self._number:", "< 0:", TEST_ACCUMULATION),
    Mutation(
        "micro-batches are added, not averaged", ACCUMULATION, "share=1 / micro_batches", "share=1.0", TEST_ACCUMULATION
    ),
    # Optimisers.
    Mutation(
        "moments in another layout",
        "i2i/training/optimizers.py",
        "moments[name] = torch.empty_like(parameter).copy_(moment)",
        "moments[name] = moment",
        "tests/training/test_optimizers.py",
    ),
    Mutation(
        "a resume keeps the old options",
        "i2i/training/optimizers.py",
        "group.update(own)",
        "pass",
        "tests/training/test_optimizers.py",
    ),
    # Ranks.
    Mutation(
        "gradients are added over ranks",
        "i2i/training/distributed.py",
        "flat /= self.size",
        "flat /= 1",
        "tests/training/test_distributed.py::test_collectives_of_two_ranks",
    ),
    Mutation(
        "ranks share no batch",
        "i2i/training/distributed.py",
        "return slice(self.rank * share, (self.rank + 1) * share)",
        "return slice(0, share)",
        "tests/training/test_distributed.py::test_collectives_of_two_ranks",
    ),
    # Checkpoints.
    Mutation(
        "prune deletes the best",
        "i2i/checkpoints/run.py",
        "not in kept and (folder.name != best.name or int(best.name) > int(newest.name))",
        "not in kept",
        "tests/checkpoints/test_run.py",
    ),
    Mutation(
        "weights that are not finite are saved",
        "i2i/checkpoints/run.py",
        "if not bool(torch.isfinite(value).all())]",
        "if False]",
        "tests/training/test_trainer.py -k not_finite",
    ),
    Mutation(
        "latest is left where it was",
        "i2i/checkpoints/run.py",
        'point(run / "latest", newest)',
        "pass",
        "tests/checkpoints/test_run.py",
    ),
    # Methods and losses.
    Mutation(
        "the image pool never returns an old image",
        "i2i/methods/history.py",
        "if torch.rand(()) < 0.5:",
        "if True:",
        "tests/methods/test_history.py",
    ),
    Mutation(
        "a method imports another",
        "i2i/methods/pix2pix.py",
        "from i2i.registry import methods\n",
        "from i2i.registry import methods\nfrom i2i.methods.esrgan import ESRGAN  # noqa\n",
        "tests/test_floors.py -k imports_only_go_down",
    ),
    Mutation(
        "hinge of fakes has the sign of real images",
        "i2i/losses/adversarial.py",
        '"fake": hinge(-fake_logits)}',
        '"fake": hinge(fake_logits)}',
        "tests/losses/test_adversarial.py",
    ),
    Mutation(
        "WGAN clips only from above",
        "i2i/losses/adversarial.py",
        "weight.clamp_(-self.clip, self.clip)",
        "weight.clamp_(max=self.clip)",
        "tests/losses/test_adversarial.py tests/losses/test_penalties.py",
    ),
    Mutation(
        "the gradient penalty pulls to a slope of 0",
        "i2i/losses/penalties.py",
        "(gradient.norm(dim=1) - 1)",
        "(gradient.norm(dim=1))",
        "tests/losses/test_penalties.py",
    ),
    Mutation(
        "the relativistic mean of real logits has a gradient",
        "i2i/losses/relativistic.py",
        "fake_logits - mean(real_logits).detach(), 0.0)",
        "fake_logits - mean(real_logits), 0.0)",
        "tests/losses/test_adversarial.py",
    ),
    # Data.
    Mutation(
        "epochs are all in one order",
        "i2i/data/loader.py",
        "EPOCH_ORDER.generator(self._seed, epoch)",
        "EPOCH_ORDER.generator(self._seed, 0)",
        "tests/data/test_loader.py",
    ),
    Mutation(
        "a resume begins an epoch anew",
        "i2i/data/loader.py",
        "for step in range(first, self._steps):",
        "for step in range(0, self._steps):",
        "tests/data/test_loader.py",
    ),
    Mutation(
        "only the first image of a pair is flipped",
        "i2i/data/geometry.py",
        "return tuple(_with_channels(cv2.flip(image, 1)) for image in images)",
        "return (_with_channels(cv2.flip(images[0], 1)), *images[1:])",
        "tests/data/test_geometry.py",
    ),
    Mutation(
        "crops of a low and a high resolution are not of one place",
        "i2i/data/geometry.py",
        "image[top * factor : top * factor + height,",
        "image[top : top + height,",
        "tests/data/test_geometry.py",
    ),
    # Tiles and folders.
    Mutation(
        "tiles are not blended",
        "export/i2i_runtime/tiles.py",
        "seam + weights * (first - seam)",
        "first",
        "tests/runtime/test_tiles.py",
    ),
    Mutation(
        "seams lie at the edge of a tile",
        "export/i2i_runtime/tiles.py",
        "(start + before + tile - ramp) // 2",
        "start",
        "tests/runtime/test_tiles.py",
    ),
    Mutation(
        "padding repeats nothing",
        "export/i2i_runtime/tiles.py",
        'mode="reflect")',
        'mode="edge")',
        "tests/runtime/test_tiles.py",
    ),
    Mutation(
        "an older line of the manifest counts",
        "export/i2i_runtime/folder/manifest.py",
        "order = max(order, (entry.run, entry.finished))",
        "order = (0, 0.0)",
        "tests/runtime/folder/test_manifest.py",
    ),
    Mutation(
        "models of another precision count as the same",
        "export/i2i_runtime/folder/manifest.py",
        '("product", "weights", "precision", "io", "test_time")',
        '("product", "weights", "io", "test_time")',
        "tests/runtime/folder/test_manifest.py tests/runtime/folder/test_jobs.py",
    ),
    # What commands write.
    Mutation(
        "a command replaces a file that is there",
        "export/i2i_runtime/files.py",
        "(os.path.lexists(file) and not overwrite)",
        "False",
        "tests/cli/test_outputs.py -k walk",
    ),
    Mutation(
        "an evaluation drops the metrics before it",
        "i2i/evaluate/merge.py",
        'table["metrics"] = kept | new',
        "pass",
        "tests/cli/test_outputs.py -k merged",
    ),
    Mutation(
        "a graph of any size pads otherwise than the runtime",
        "i2i/export/any_size.py",
        "any_rows = Min(any_row_there, any_row_back)",
        "any_rows = Max(any_row_there, any_row_back)",
        "tests/export/test_any_size.py -k unet",
    ),
    Mutation(
        "frozen norms have the statistics of the last frame",
        "i2i/networks/frozen_norms.py",
        "torch.cat(each).mean(dim=0)",
        "each[-1].mean(dim=0)",
        "tests/networks/test_frozen_norms.py -k means",
    ),
    Mutation(
        "tiles of a frozen network share too little",
        "i2i/networks/generators/unet.py",
        "self.frozen_overlap = 2 ** (depth + 2)",
        "self.frozen_overlap = 2 ** (depth + 1)",
        "tests/networks/test_frozen_norms.py -k reaches",
    ),
    Mutation(
        "held-out frames calibrate, too",
        "i2i/export/frozen.py",
        "if index % _HELD_OUT_EVERY]",
        "]",
        "tests/export/test_frozen.py -k fifth",
    ),
    Mutation(
        "the layers that cost least stay in float32",
        "i2i/export/mixed_precision.py",
        "costly[:count]",
        "costly[-count:]",
        "tests/export/test_mixed_precision.py",
    ),
    # Discriminators of every method.
    Mutation(
        "lazy R1 is as large as R1 at every step",
        "i2i/losses/penalties.py",
        "0.5 * weight * every * r1_penalty",
        "0.5 * weight * r1_penalty",
        "tests/losses/test_penalties.py",
    ),
    Mutation(
        "only the finest scale has a loss",
        "i2i/losses/adversarial.py",
        "for i in range(count)",
        "for i in range(1)",
        "tests/losses/test_adversarial.py",
    ),
    Mutation(
        "overfitting is measured from 0 whatever the objective",
        "i2i/methods/base.py",
        "(each.detach() - undecided).sign()",
        "each.detach().sign()",
        "tests/methods/test_augmentation.py -k overfitting",
    ),
    Mutation(
        "a condition's colours are augmented",
        "i2i/networks/augmentation/diffaugment.py",
        "images.tensor_split([self.condition_channels], dim=1)",
        "images.tensor_split([0], dim=1)",
        "tests/networks/augmentation/test_diffaugment.py -k condition",
    ),
    Mutation(
        "features are compared under two draws",
        "i2i/networks/discriminators/base.py",
        "copies=len(images)",
        "copies=1",
        "tests/methods/test_augmentation.py -k features",
    ),
    Mutation(
        "rotations of oblong images stretch them",
        "i2i/networks/augmentation/ada_transforms.py",
        "return _scaling(*(1 / unit for unit in units)) @ transform @ _scaling(*units)",
        "return transform",
        "tests/networks/augmentation/test_ada_transforms.py -k oblong",
    ),
    Mutation(
        "the random projection is not saved",
        "i2i/networks/discriminators/projected.py",
        "persistent=True",
        "persistent=False",
        "tests/networks/discriminators/test_projected.py -k saved",
    ),
    # GigaGAN's layers.
    Mutation(
        "L2 attention by dot products",
        "i2i/networks/gigagan_layers.py",
        "-torch.ones_like(squares)",
        "torch.zeros_like(squares)",
        "tests/networks/test_gigagan_layers.py",
    ),
    Mutation(
        "attention keeps a matrix of all pairs",
        "i2i/networks/gigagan_layers.py",
        "F.pad(value, (0, 1)), scale=scale)[..., :-1]",
        "value, scale=scale)",
        "tests/networks/test_gigagan_layers.py",
    ),
    Mutation(
        "adaptive kernels are not demodulated",
        "i2i/networks/gigagan_layers.py",
        "return kernel * _inverse_norm(kernel)",
        "return kernel",
        "tests/networks/test_gigagan_layers.py",
    ),
    Mutation(
        "the style of an upsampler sees a corner",
        "i2i/networks/generators/gigagan.py",
        "features.mean((2, 3))",
        "features[..., 0, 0]",
        "tests/networks/generators/test_gigagan.py",
    ),
    # Fast upscalers and what they are trained against.
    Mutation(
        "a folded convolution lacks its skip",
        "i2i/networks/reparameterised.py",
        "weight[..., 1:2, 1:2] += skip",
        "",
        "tests/networks/test_reparameterised.py",
    ),
    Mutation(
        "the bias inside is in the border only once",
        "i2i/networks/reparameterised.py",
        "F.pad(image, (1, 1, 1, 1))",
        "F.pad(image, (1, 1, 1, 1), mode='replicate')",
        "tests/networks/test_reparameterised.py",
    ),
    Mutation(
        "points of DySample are half a pixel off",
        "i2i/networks/dysample.py",
        ".add(0.5)",
        "",
        "tests/interop/test_span_and_plksr.py",
    ),
    Mutation(
        "a translator runs the branches",
        "i2i/inference.py",
        "set_test_time(fold(generator), test_time)",
        "set_test_time(generator, test_time)",
        "tests/networks/test_reparameterised.py",
    ),
    Mutation(
        "degradation steps share one stream",
        "i2i/data/degradation/stepwise.py",
        "np.random.default_rng((seed, zlib.crc32(name.encode())))",
        "np.random.default_rng(seed)",
        "tests/data/degradation/test_steps.py",
    ),
    Mutation(
        "a frame of a film keeps its shift",
        "i2i/data/degradation/steps/video.py",
        "range(count - 1, -1, -1)",
        "range(count, 0, -1)",
        "tests/data/degradation/test_steps.py",
    ),
    # Labels: instances, the gate, utility.
    Mutation(
        "edges of instances have no right side",
        "i2i/label_maps.py",
        "torch.maximum(left, right)",
        "left",
        "tests/methods/test_instance_edges.py -k edges_are",
    ),
    Mutation(
        "classes of instances are rounded",
        "i2i/label_maps.py",
        "((instances + 0.5) / INSTANCES).floor()",
        "((instances + 0.5) / INSTANCES).round()",
        "tests/methods/test_instance_edges.py -k every_value",
    ),
    Mutation(
        "a class map drops the instances",
        "i2i/data/labels/maps.py",
        "values % INSTANCES",
        "0 * values",
        "tests/methods/test_instance_edges.py -k class_map",
    ),
    Mutation(
        "ignored pixels of instance maps have a class",
        "i2i/data/reading.py",
        "np.where(label_map == 0, IGNORE, label_map - 1)",
        "np.maximum(label_map - 1, 0)",
        "tests/methods/test_instance_edges.py -k cropped",
    ),
    Mutation(
        "the floor of the gate is ignored",
        "i2i/evaluate/gate.py",
        "max(limit, floor) if name == ACCURACY else limit",
        "limit",
        "tests/evaluate/test_gate.py -k bound",
    ),
    Mutation(
        "frames a little beyond the bound are kept",
        "i2i/evaluate/gate.py",
        "if excess > 0]",
        "if excess > 5]",
        "tests/evaluate/test_gate.py -k severity",
    ),
    Mutation(
        "classes that a test set does not show count",
        "i2i/evaluate/utility.py",
        "np.where(counts.sum(1) > 0, iou(counts), np.nan)",
        "iou(counts)",
        "tests/evaluate/test_utility.py -k mean",
    ),
    Mutation(
        "damaged frames are left out in silence",
        "i2i/evaluate/utility_frames.py",
        "list(dict.fromkeys(report.failed))",
        "[]",
        "tests/evaluate/test_utility.py -k damaged",
    ),
    Mutation(
        "a player that rests is warned of",
        TRAINER,
        ".difference(self.state.method.resting(step - 1))",
        ".difference(())",
        f"{TEST_TRAINER} -k rests",
    ),
    Mutation(
        "a segmenter's image is padded at the left",
        "i2i/networks/segmenters/smp.py",
        "(0, -width % _STRIDE,",
        "(-width % _STRIDE, 0,",
        "tests/networks/segmenters/test_smp.py -k padding",
    ),
    Mutation(
        "255 has no class in a class map",
        "i2i/data/labels/class_map.py",
        "entries.setdefault(IGNORE, IGNORE)",
        "pass",
        "tests/data/labels/test_class_map.py",
    ),
    Mutation(
        "any of several label maps is meant",
        "i2i/data/labels/match.py",
        "(known or ends)[0]",
        "ends[0]",
        "tests/data/labels/test_find.py",
    ),
    Mutation(
        "weights do not count in the mean",
        "i2i/losses/segmentation.py",
        "total / torch.where(weight > 0, weight, 1)",
        "total / counted.sum().clamp(min=1)",
        "tests/losses/test_segmentation.py",
    ),
    Mutation(
        "a cut is not seen",
        "export/i2i_runtime/stabilise.py",
        "if is_cut(grey, warp(before.grey, flow), weight):",
        "if False:",
        "tests/runtime/test_stabilise.py",
    ),
    Mutation(
        "late frames are not counted",
        "export/i2i_runtime/background.py",
        "                        dropped()",
        "                        pass",
        "tests/runtime/test_background.py",
    ),
    Mutation(
        "cars stand still in the flow",
        "i2i/data/world/drive.py",
        "steps = self._offsets(frame + 1) - self._offsets(frame)",
        "steps = 0 * self._offsets(frame)",
        "tests/data/test_drive.py",
    ),
    Mutation(
        "what comes into view counts as motion",
        "i2i/losses/temporal.py",
        "(difference.abs() * inside).mean()",
        "difference.abs().mean()",
        "tests/losses/test_temporal.py",
    ),
    # Latent spaces.
    Mutation(
        "SeFa begins with least change",
        "i2i/latent/directions.py",
        "eigh(chosen.T @ chosen).eigenvectors.T.flip(0)",
        "eigh(chosen.T @ chosen).eigenvectors.T",
        "tests/latent/test_directions.py",
    ),
    Mutation(
        "layers of w+ may be apart",
        "i2i/latent/invert.py",
        'if space.name == "w+" else 0',
        "* 0",
        "tests/latent/test_invert_w.py",
    ),
    Mutation(
        "tuning without locality",
        "i2i/latent/tune.py",
        "locality_weight * distance(",
        "0 * distance(",
        "tests/latent/test_invert_w.py",
    ),
    Mutation(
        "copies are kept",
        "i2i/metrics/sample_gate.py",
        "Verdict.COPY if is_copy else Verdict.KEPT",
        "Verdict.KEPT",
        "tests/metrics/test_sample_gate.py",
    ),
]
