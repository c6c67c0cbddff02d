"""Why a score is what it is: findings of one run, reasons for the answer, the full record.

May touch `ml.model`'s terms and rarity, `ml.features` and below; no store and no server.
"""
