"""Slow ways to repaint a picture: what students learn from."""
