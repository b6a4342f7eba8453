"""Distilling slow teachers into small networks that repaint a live picture.

```
photos ──data──▶ contents ──teach──▶ targets ──distil──▶ checkpoint ──export──▶ pack ──evaluate──▶ card
                               ▲ teachers/         ▲ networks/, batches, losses
```

Every arrow is a command of `python -m impasto_training` and a method of `make.Workshop`. A recipe (`recipes/*.toml`)
says what a pack is to be; everything costly is cached under a hash of what it depends on, so each step can be repeated
and picks up what is already there.
"""

import os as _os

# Before anything imports onnxruntime, which otherwise keeps and sends figures of its own.
_os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
