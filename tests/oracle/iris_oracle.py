"""The Iris network a second time, in plain PyTorch: the judge of src/iris.

Written for clarity and as the paper writes it, not as src/iris computes it:
features are enlarged and multiplied with the full-resolution mask (src/iris
applies the adjoint to the mask), decoder features are enlarged before they are
reduced, attention is torch's own, and the sliding windows are loops over
numpy slices.

    iris_oracle.py WEIGHTS INPUTS OUTPUTS

INPUTS (safetensors) holds any of:
    image [B, 1, D, H, W], masks [B, K, D, H, W], query [B, 1, D, H, W]
        -> encoder.N, foreground, context, features, classes, logits
    volume [D, H, W], volume_masks [K, D, H, W], overlap [1], max_voxels [1]
        -> volume_embedding (where the reference fits one window), volume_probabilities
"""

import itertools
import json
import sys

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

EMPTY = 1e-3  # added to the voxel count of a mask
PRIOR_LOGIT = -3.0


class ResidualBlock(nn.Module):
    def __init__(self, inputs, outputs, stride=1):
        super().__init__()
        self.conv1 = nn.Conv3d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.norm1 = nn.InstanceNorm3d(outputs, affine=True)
        self.conv2 = nn.Conv3d(outputs, outputs, 3, padding=1, bias=False)
        self.norm2 = nn.InstanceNorm3d(outputs, affine=True)
        if inputs != outputs or stride != 1:
            self.shortcut = nn.Conv3d(inputs, outputs, 1, stride, bias=False)
        else:
            self.shortcut = nn.Identity()

    def forward(self, x):
        h = F.leaky_relu(self.norm1(self.conv1(x)), 0.01)
        return F.leaky_relu(self.norm2(self.conv2(h)) + self.shortcut(x), 0.01)


class Attention(nn.Module):
    """Pre-normalised multi-head attention with a residual."""

    def __init__(self, c, heads):
        super().__init__()
        self.norm_query, self.norm_context = nn.LayerNorm(c), nn.LayerNorm(c)
        self.query, self.key, self.value, self.output = (nn.Linear(c, c) for _ in range(4))
        self.heads = heads

    def forward(self, x, context):
        read, _ = F.multi_head_attention_forward(
            self.norm_query(x).transpose(0, 1),
            *(2 * [self.norm_context(context).transpose(0, 1)]),
            embed_dim_to_check=x.shape[-1],
            num_heads=self.heads,
            in_proj_weight=None,
            in_proj_bias=torch.cat([self.query.bias, self.key.bias, self.value.bias]),
            bias_k=None,
            bias_v=None,
            add_zero_attn=False,
            dropout_p=0.0,
            out_proj_weight=self.output.weight,
            out_proj_bias=self.output.bias,
            training=False,
            use_separate_proj_weight=True,
            q_proj_weight=self.query.weight,
            k_proj_weight=self.key.weight,
            v_proj_weight=self.value.weight,
        )
        return x + read.transpose(0, 1)


class FeedForward(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.norm, self.hidden, self.output = nn.LayerNorm(c), nn.Linear(c, 2 * c), nn.Linear(2 * c, c)

    def forward(self, x):
        return x + self.output(F.gelu(self.hidden(self.norm(x))))


def coordinates(d, h, w):
    """[d*h*w, 3] in [-1, 1]; 0 along an axis of one cell."""
    rows = []
    for z in range(d):
        for y in range(h):
            for x in range(w):
                rows.append([2 * i / (n - 1) - 1 if n > 1 else 0.0 for i, n in ((z, d), (y, h), (x, w))])
    return torch.tensor(rows)


def enlarge(x, size):
    return F.interpolate(x, size=tuple(size), mode="trilinear", align_corners=False)


class TaskEncoder(nn.Module):
    def __init__(self, config):
        super().__init__()
        c, self.rho = config["channels"][-1], config["shuffle"]
        spread = c // self.rho**3
        self.foreground = nn.ModuleList(nn.Linear(n, c) for n in config["channels"])
        self.fuse = nn.Conv3d(spread + 1, spread, 3, padding=1)
        self.place = nn.Linear(3, c)
        self.queries = nn.Parameter(torch.empty(config["query_tokens"], c))
        self.read, self.exchange = Attention(c, config["heads"]), Attention(c, config["heads"])
        self.feed_forward = FeedForward(c)

    def shuffle(self, x):
        """[C * rho**3, d, h, w] -> [C, rho * d, rho * h, rho * w]; offsets slower than space, depth first."""
        r = self.rho
        b, c, d, h, w = x.shape
        out = x.new_empty(b, c // r**3, d * r, h * r, w * r)
        for i in range(r):
            for j in range(r):
                for k in range(r):
                    out[:, :, i::r, j::r, k::r] = x[:, (i * r + j) * r + k :: r**3]
        return out

    def unshuffle(self, x):
        r = self.rho
        b, c, d, h, w = x.shape
        out = x.new_empty(b, c * r**3, d // r, h // r, w // r)
        for i in range(r):
            for j in range(r):
                for k in range(r):
                    out[:, (i * r + j) * r + k :: r**3] = x[:, :, i::r, j::r, k::r]
        return out

    def foreground_branch(self, stages, masks):
        total = 0
        for project, stage in zip(self.foreground, stages):
            full = enlarge(stage, masks.shape[2:])
            pooled = [
                (full * masks[:, k : k + 1]).sum((2, 3, 4)) / (masks[:, k].sum((1, 2, 3))[:, None] + EMPTY)
                for k in range(masks.shape[1])
            ]
            total = total + project(torch.stack(pooled, 1))
        return total

    def context_branch(self, bottleneck, masks):
        b, _, d, h, w = bottleneck.shape
        per_class = []
        for k in range(masks.shape[1]):
            spread = self.shuffle(bottleneck)
            factor = [n // m for n, m in zip(masks.shape[2:], spread.shape[2:])]
            mask = F.avg_pool3d(masks[:, k : k + 1], factor)
            fused = self.unshuffle(self.fuse(torch.cat([spread, mask], 1)))
            cells = fused.flatten(2).transpose(1, 2) + self.place(coordinates(d, h, w))
            tokens = self.read(self.queries.expand(b, -1, -1), cells)
            tokens = self.exchange(tokens, tokens)
            per_class.append(self.feed_forward(tokens))
        return torch.stack(per_class, 1)


class Exchange(nn.Module):
    def __init__(self, c, heads):
        super().__init__()
        self.tokens_from_features = Attention(c, heads)
        self.tokens_among_themselves = Attention(c, heads)
        self.tokens_feed_forward = FeedForward(c)
        self.features_from_tokens = Attention(c, heads)
        self.features_feed_forward = FeedForward(c)

    def forward(self, tokens, cells):
        tokens = self.tokens_from_features(tokens, cells)
        tokens = self.tokens_among_themselves(tokens, tokens)
        tokens = self.tokens_feed_forward(tokens)
        cells = self.features_from_tokens(cells, tokens)
        return tokens, self.features_feed_forward(cells)


class Readout(nn.Module):
    def __init__(self, channels, c, least_width):
        super().__init__()
        self.width = max(channels, least_width)
        self.features = nn.Conv3d(channels, self.width, 1)
        self.norm, self.hidden = nn.LayerNorm(c), nn.Linear(c, c)
        self.class_ = nn.Linear(c, self.width + 1)

    def forward(self, x, classes):
        key = self.features(x)
        vector = self.class_(F.gelu(self.hidden(self.norm(classes))))
        weight, bias = vector[..., :-1] / self.width**0.5, vector[..., -1]
        return torch.einsum("bkc,bcdhw->bkdhw", weight, key) + bias[:, :, None, None, None]


class UpStage(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.reduce = nn.Conv3d(inputs, outputs, 1)
        self.merge = ResidualBlock(2 * outputs, outputs)

    def forward(self, x, skip):
        return self.merge(torch.cat([self.reduce(enlarge(x, skip.shape[2:])), skip], 1))


class MaskDecoder(nn.Module):
    def __init__(self, config):
        super().__init__()
        channels = config["channels"][::-1]
        c = channels[0]
        self.place = nn.Linear(3, c)
        self.token_kinds = nn.Parameter(torch.empty(config["query_tokens"] + 1, c))
        self.exchanges = nn.ModuleList(Exchange(c, config["heads"]) for _ in range(config["decoder_blocks"]))
        self.up = nn.ModuleList(UpStage(a, b) for a, b in zip(channels, channels[1:]))
        self.readouts = nn.ModuleList(Readout(n, c, config["readout_channels"]) for n in channels)

    def exchange(self, bottleneck, embedding):
        """-> tokens [B, K, m+1, C], features [B, C, d, h, w], class vectors [B, K, C]."""
        b, k, n, c = embedding.shape
        tokens = (embedding + self.token_kinds).flatten(1, 2)
        cells = bottleneck.flatten(2).transpose(1, 2) + self.place(coordinates(*bottleneck.shape[2:]))
        for block in self.exchanges:
            tokens, cells = block(tokens, cells)
        tokens = tokens.reshape(b, k, n, c)
        features = cells.transpose(1, 2).reshape(bottleneck.shape)
        return tokens, features, tokens.mean(2) + tokens[:, :, 0]

    def forward(self, stages, embedding):
        _, x, classes = self.exchange(stages[-1], embedding)
        logits = PRIOR_LOGIT + self.readouts[0](x, classes)
        for up, readout, skip in zip(self.up, self.readouts[1:], stages[-2::-1]):
            x = up(x, skip)
            logits = enlarge(logits, skip.shape[2:]) + readout(x, classes)
        return logits


class Iris(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        widths = [1, *config["channels"]]
        self.encoder = nn.ModuleList(
            ResidualBlock(a, b, 1 if s == 0 else 2) for s, (a, b) in enumerate(zip(widths, widths[1:]))
        )
        self.task_encoder = TaskEncoder(config)
        self.mask_decoder = MaskDecoder(config)

    def encode(self, x):
        stages = []
        for stage in self.encoder:
            x = stage(x)
            stages.append(x)
        return stages

    def embed(self, image, masks):
        stages = self.encode(image)
        foreground = self.task_encoder.foreground_branch(stages, masks)
        return torch.cat([foreground[:, :, None], self.task_encoder.context_branch(stages[-1], masks)], 2)

    def forward(self, query, embedding):
        return self.mask_decoder(self.encode(query), embedding)

    def window(self, volume, max_voxels, overlap):
        """The window of a volume, as the documentation of `Iris::window_size` lays it down: the fewest, then the largest."""
        stride = 2 ** (len(self.config["channels"]) - 1)
        least = [min(64, n) for n in self.config["patch"]]
        lengths = []
        for axis, n in enumerate(volume):
            whole = stride if axis == 0 and n <= stride else max(2 * stride, -(-n // stride) * stride)
            lengths.append(range(min(-(-least[axis] // stride) * stride, whole), whole + 1, stride))

        def order(yxz):
            y, x, z = yxz
            count = np.prod([1 + self.steps(n, w, overlap) for n, w in zip(volume, (z, y, x))])
            return (0, count, -z * y * x) if z * y * x <= max_voxels else (z * y * x, count, 0)

        y, x, z = min(itertools.product(lengths[1], lengths[2], lengths[0]), key=order)
        return [z, y, x]

    @staticmethod
    def steps(volume, window, overlap):
        """Windows beside the first that cover an axis."""
        return int(np.ceil(max(volume - window, 0) / (window * (1 - overlap))))

    def patient(self, volume, masks=None):
        """Slices of the box around the patient, as src/iris/patient.rs lays it down."""
        stride = 2 ** (len(self.config["channels"]) - 1)
        spacing = self.config["spacing_mm"][::-1]
        reach, size = int(18 / spacing[1] / 2 + 0.5), volume.shape
        body = volume > -1.15
        # Whole runs of rows alone are body; rows outside the volume are not asked.
        thick = np.stack(
            [body[:, max(0, y - reach) : y + reach + 1].all(axis=1) for y in range(size[1])], axis=1
        )
        box = []
        for axis, n in enumerate(size):
            others = tuple(a for a in range(3) if a != axis)
            planes = np.flatnonzero(thick.sum(axis=others) >= 4)
            if not len(planes):
                return tuple(slice(0, n) for n in size)
            around = int(16 / spacing[axis] + 0.5) + (reach if axis == 1 else 0)
            first, last = planes[0] - around, planes[-1] + around
            if masks is not None:
                labelled = np.flatnonzero(masks.max(axis=0).any(axis=others))
                if len(labelled):
                    first, last = min(first, labelled[0]), max(last, labelled[-1])
            first, last = max(first, 0), min(last, n - 1)
            length = last - first + 1
            whole = min(-(-length // stride) * stride, n)
            start = min(max(first - (whole - length) // 2, 0), n - whole)
            box.append(slice(start, start + whole))
        return tuple(box)

    def segment(self, volume, embedding, overlap, max_voxels):
        """volume [D, H, W], embedding [K, m+1, C] -> probabilities [K, D, H, W], 0 outside the patient's box."""
        box = self.patient(volume)
        found = np.zeros((embedding.shape[0], *volume.shape))
        found[(slice(None), *box)] = self.segment_all(volume[box], embedding, overlap, max_voxels)
        return found

    def segment_all(self, volume, embedding, overlap, max_voxels):
        size = volume.shape
        window = self.window(size, max_voxels, overlap)
        padded = np.pad(volume, [(0, max(0, w - n)) for n, w in zip(size, window)], mode="edge")
        starts = []
        for n, w in zip(padded.shape, window):
            steps = self.steps(n, w, overlap)
            starts.append([(n - w) * i // max(steps, 1) for i in range(steps + 1)])
        bell = [np.exp(-0.5 * ((np.arange(w) - (w - 1) / 2) / (w / 8)) ** 2) for w in window]
        weight = np.maximum(np.einsum("i,j,k->ijk", *bell), 1e-3)
        total = np.zeros((embedding.shape[0], *padded.shape))
        weights = np.zeros(padded.shape)
        for z in starts[0]:
            for y in starts[1]:
                for x in starts[2]:
                    box = tuple(slice(s, s + w) for s, w in zip((z, y, x), window))
                    patch = torch.from_numpy(np.ascontiguousarray(padded[box]))[None, None]
                    probability = torch.sigmoid(self(patch, embedding[None]))[0].numpy()
                    total[(slice(None), *box)] += probability * weight
                    weights[box] += weight
        return (total / weights)[(slice(None), *(slice(n) for n in size))]


def load(path):
    with safe_open(path, "pt") as file:
        iris = Iris(json.loads(file.metadata()["iris_config"]))
    # `class` is a word of Python.
    weights = {name.replace(".class.", ".class_."): value for name, value in load_file(path).items()}
    iris.load_state_dict(weights, strict=True)
    return iris.eval()


@torch.no_grad()
def main(weights, inputs, outputs):
    torch.set_num_threads(1)
    iris, given, out = load(weights), load_file(inputs), {}
    if "image" in given:
        stages = iris.encode(given["image"])
        out |= {f"encoder.{s}": stage for s, stage in enumerate(stages)}
        out["foreground"] = iris.task_encoder.foreground_branch(stages, given["masks"])
        out["context"] = iris.task_encoder.context_branch(stages[-1], given["masks"])
        embedding = iris.embed(given["image"], given["masks"])
        query = iris.encode(given["query"])
        _, out["features"], out["classes"] = iris.mask_decoder.exchange(query[-1], embedding)
        out["logits"] = iris(given["query"], embedding)
    if "volume" in given:
        volume, masks = given["volume"].numpy(), given["volume_masks"].numpy()
        box = iris.patient(volume, masks)
        shown, masks = volume[box], masks[(slice(None), *box)]
        window = iris.window(shown.shape, 128**3, 0.5)
        missing = [(0, w - n) for n, w in zip(shown.shape, window)]
        assert min(b for _, b in missing) >= 0, "the oracle embeds references of one window"
        reference = torch.from_numpy(np.pad(shown, missing, mode="edge"))[None, None]
        masks = torch.from_numpy(np.pad(masks, [(0, 0), *missing]))[None]
        embedding = iris.embed(reference, masks)[0]
        out["volume_embedding"] = embedding
        probabilities = iris.segment(volume, embedding, given["overlap"].item(), given["max_voxels"].item())
        out["volume_probabilities"] = torch.from_numpy(probabilities).float()
    save_file({name: value.contiguous() for name, value in out.items()}, outputs)


if __name__ == "__main__":
    main(*sys.argv[1:])
