"""Notices a Redis that was emptied or that lost its last answers, declares it, and writes lost answers again."""
