"""What each mechanism is there to move, and the world in which it does so most plainly.

Found on seeds 101 to 120 (400 enterprises until 2028Q4, all measures), then written down; `test_mechanisms.py` asks
other seeds. A sign is that of the change when the mechanism is switched off.
"""

from typing import Literal

from tests.market.test_switches import WORLD
from tests.market.worlds import Edit, both, put, put_each

Sign = Literal["+", "-"]

# Where the baseline's strength is too small to be told from luck with a dozen seeds: more of the same.
STRONGER: dict[str, Edit] = {
    "specialities": put("technology", speciality_gain=1.0),
    "run_noise": put("technology", run_noise=0.5),
    "cloud_resale": both(put_each("labs", cloud_share=1.0), put("pricing", cloud_cut=0.5)),
    "free_users": put("seats", free_users_per_payer=300.0),
    "applications": put("applications", part=0.4, rivalry=3.0),
    "new_uses": put("commons", new_uses=2.0),
    "withdrawals": both(put("technology", closed_life=2), put("demand", withdrawal=3.0)),
    "strategic_open_lean": put("demand", strategic_open_lean=2.0),
    "peers": put("demand", peers=1.4),
    "origin": put("demand", origin_distrust=5.0, language_fit=3.0),
    "herd": put("capital", herd=1.0, climate=4.0),
    "conviction": both(put("capital", conviction=2.0), put_each("investors", thesis=1.0, hedging=0.0)),
    "standing": both(put("capital", standing=1.5), put_each("labs", founders_successes=2)),
    "revenue_shares": put("capital", revenue_claim=1.0, revenue_claim_cap=0.9),
}
WORLDS: dict[str, Edit] = {**WORLD, **STRONGER}

# Without the mechanism this measure (sim.records.names) goes up or down.
EFFECTS: dict[str, tuple[str, Sign]] = {
    "training": ("so_far.lag_months_edge", "+"),
    "run_noise": ("so_far.best_us_oom", "-"),
    "public_knowledge": ("so_far.best_china_oom", "-"),
    "leakage": ("so_far.best_china_oom", "-"),
    "distillation": ("so_far.quality_gap_bulk", "+"),
    "staff_moves": ("so_far.best_china_oom", "-"),
    "open_bases": ("so_far.open_share", "-"),
    "efficiency_diffusion": ("so_far.best_us_oom", "-"),
    "release_bar": ("events_so_far.release", "+"),
    "community": ("so_far.quality_gap_bulk", "+"),
    "retirement": ("so_far.share_of_large_enterprises_with_5_or_more_models", "+"),
    "pricing": ("share.tokens.mode.api", "+"),
    "hosting_fringe": ("share.tokens.mode.hosted", "-"),
    "private_deployment": ("so_far.api_spend_usd", "+"),
    "self_hosting": ("share.total_spend.workload.edge", "+"),
    "free_tier": ("so_far.going_price_pilot", "+"),
    "nests": ("so_far.total_spend_usd", "+"),
    "persistent_tastes": ("so_far.entropy", "-"),
    "switching_costs": ("so_far.api_spend_usd", "-"),
    "peers": ("so_far.hhi", "-"),
    "brand": ("so_far.cr3", "-"),
    "incidents": ("events_so_far.incident", "-"),
    "interface": ("so_far.cr3", "-"),
    "applications": ("so_far.closed_products", "+"),
    "dependence": ("so_far.effective_labs", "-"),
    "assurance": ("so_far.infrastructure_spend_usd", "+"),
    "privacy": ("so_far.api_spend_usd", "+"),
    "operations": ("so_far.open_share", "+"),
    "customisation": ("so_far.open_share_bulk", "-"),
    "control": ("so_far.api_spend_usd", "+"),
    "stability": ("so_far.open_share", "-"),
    "latency": ("so_far.api_spend_usd", "+"),
    "strategic_open_lean": ("so_far.open_share", "-"),
    "origin": ("share.deployments.region.china", "-"),
    "volatility": ("so_far.api_spend_enterprise_usd", "+"),
    "upgrades": ("so_far.share_of_large_enterprises_with_5_or_more_models", "+"),
    "adoption": ("adoption", "-"),
    "pilots": ("so_far.pilots", "-"),
    "budget_growth": ("total_spend_usd", "-"),
    "usage_elasticity": ("so_far.going_price_bulk", "+"),
    "diffusion": ("api_spend_usd", "+"),
    "commons": ("so_far.open_share", "-"),
    "new_uses": ("so_far.total_spend_usd", "-"),
    "integrators": ("so_far.api_spend_usd", "+"),
    "fine_tuning": ("so_far.open_share_bulk", "+"),
    "air_gap": ("going_price_confidential", "+"),
    "transparency": ("hosted_spend_usd", "-"),
    "licence_risk": ("so_far.open_share", "+"),
    "withdrawals": ("so_far.open_share", "-"),
    "seats": ("so_far.seat_revenue_usd", "-"),
    "free_users": ("so_far.going_price_pilot", "+"),
    "cloud_resale": ("so_far.investor_mood", "+"),
    "services": ("so_far.open_share_of_independent_revenue", "-"),
    "exogenous_rounds": ("events_so_far.round", "-"),
    "funding_market": ("events_so_far.round", "-"),
    "compute_for_equity": ("so_far.circular_share", "-"),
    "conviction": ("funding.open_share_of_private_funding", "-"),
    "herd": ("events_so_far.failed_round", "-"),
    "standing": ("events_so_far.merger", "+"),
    "mood": ("so_far.investor_mood", "-"),
    "strategy_choice": ("events_so_far.pivot", "-"),
    "specialities": ("so_far.quality_gap_confidential", "-"),
    "release_choice": ("events_so_far.close", "-"),
    "giving_up": ("so_far.active_labs", "+"),
    "closing_down": ("active_labs", "+"),
    "restructuring": ("so_far.circular_share", "-"),
    "acquihires": ("events_so_far.acquihire", "-"),
    "mergers": ("so_far.active_labs", "+"),
    "merger_review": ("events_so_far.merger", "+"),
    "founding": ("so_far.active_labs", "-"),
    "parent_transfers": ("so_far.active_labs_gulf", "-"),
    "revenue_shares": ("so_far.circular_share", "-"),
    "trade_debt": ("so_far.active_labs", "-"),
    "affordability": ("so_far.downloads", "+"),
}
