"""Who controls what: distress, restructuring, sales of labs, their review, and the end of those nobody wants."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from sim.agents.lab import Lab
from sim.agents.strategy import positions, said_niche, take_up
from sim.economics.merger import bargained_price, relief_accepted
from sim.economics.strategy import chance_within, closes_down
from sim.markets.estate import buy, hire_team, merge, wind_down
from sim.markets.merger_review import blocked, market_screen, regional_shares
from sim.markets.rounds import hold_round
from sim.parameters import STRATEGIES
from sim.quarters import DT, QUARTERS_PER_YEAR, quarter_label
from sim.words import dollars

if TYPE_CHECKING:
    from sim.market import Market

MOST_DISTRUST = 0.5  # labs are not sold into regions that are distrusted more than this
Kind = Literal["acquihire", "purchase", "merger"]


def settle_control(market: Market) -> None:
    """Distressed labs restructure and cut back; what is for sale finds a buyer or not; who is beyond credit or whom
    nobody wants ends."""
    for lab in market.active_labs:
        if not lab.backed:
            note_distress(market, lab)
            if lab.distressed:
                restructure(market, lab)
            if lab.distressed == 1:
                paywall(market, lab)
                pivot(market, lab)
    sell_labs(market)
    for lab in market.active_labs:
        if beyond_credit(market, lab):
            fail(market, lab)
    if market.parameters.switches.closing_down:
        close_unsold(market)


# ---- distress


def credit_limit(market: Market, lab: Lab) -> float:
    """Trade debt that suppliers allow, USD: a span of the lab's costs, with a floor; 0 when suppliers give none."""
    c = market.parameters.costs
    if not market.parameters.switches.trade_debt:
        return 0.0
    return max(c.credit_floor, c.credit_limit_years * lab.accounts.total_cost * QUARTERS_PER_YEAR)


def beyond_credit(market: Market, lab: Lab) -> bool:
    """Whether the lab owes more than its cash and its credit cover."""
    owed = -net_cash(market, lab)
    return owed > 0.0 and owed > credit_limit(market, lab)


def note_distress(market: Market, lab: Lab) -> None:
    """Count the quarters in which a lab that found no money is short of runway."""
    refused = lab.round_failed and market.quarter - lab.last_ask <= market.parameters.capital.between_rounds
    short = refused and lab.runway_quarters() < market.parameters.control.distress_runway
    lab.distressed = lab.distressed + 1 if short else 0


def restructure(market: Market, lab: Lab) -> None:
    """Creditors forgive part of the debt if its holders put in new money, at a price that wipes much of them out."""
    c, journal, debt = market.parameters.control, market.journal, market.journal.debt(lab.account)
    if not market.parameters.switches.restructuring or debt <= 0.0:
        return
    worth, burn = market.outlook.value(lab, market.parameters), max(0.0, lab.accounts.burn) * QUARTERS_PER_YEAR
    need = c.rescue_years * burn + (1.0 - c.relief) * debt
    paid = rescuers(market, lab, need)
    cash = max(0.0, float(journal.cash[lab.account]))
    if not paid or need >= worth or not relief_accepted(debt, c.relief, cash, c.survival):
        return
    for creditor, owed in journal.claims(lab.account).items():
        journal.forgive("debt_relief", lab.account, creditor, c.relief * owed)
    pre_money = c.rescue_discount * worth
    post = hold_round(market, lab, pre_money, paid, dict.fromkeys(paid, 0.0))
    lab.distressed, lab.round_failed, lab.sale = 0, False, None
    market.exits_and_rescues += market.subscale(lab)
    said = (
        f"debt of {dollars(debt)}, {c.relief:.0%} of it forgiven; holders paid in {dollars(need)} at "
        f"{dollars(pre_money)} before the money"
    )
    numbers = {
        "debt_usd": debt,
        "forgiven_usd": c.relief * debt,
        "rescue_usd": need,
        "pre_money_usd": pre_money,
        "post_money_usd": post,
        "burn_usd_per_year": burn,
        "worth_usd": worth,
    }
    market.event("restructuring", lab.id, max(paid, key=lambda name: paid[name]), c.relief * debt, said, numbers)


def rescuers(market: Market, lab: Lab, need: float) -> dict[str, float]:
    """What each holder would pay of a rescue, USD, by stake; empty where holders cannot raise it."""
    holders = {name: stake for name, stake in sorted(lab.stakes.items()) if name in market.investor}
    whole = sum(holders.values())
    paid = {name: need * stake / whole for name, stake in holders.items()} if whole > 0.0 else {}
    able = all(amount <= market.investor[name].dry_powder for name, amount in paid.items())
    return paid if able and need > 0.0 else {}


def paywall(market: Market, lab: Lab) -> None:
    """A distressed lab closes its flagship if closed weights would earn more today."""
    if not market.parameters.switches.release_choice or lab.stance.get("flagship", "closed") == "closed":
        return
    flagship, p = lab.flagship(), market.parameters
    if flagship is None or "flagship" in lab.decreed:
        return
    gap, rate = market.outlook.best - flagship.base_capability, lab.services_rate_as(lab.strategy)
    opened, closed = (
        market.outlook.earning(lab, "flagship", licence, gap, rate, p) for licence in (lab.stance["flagship"], "closed")
    )
    if closed <= opened:
        return
    before = lab.stance["flagship"]
    lab.stance["flagship"] = "closed"
    said = (
        f"flagship: {before} -> closed, short of money: {dollars(closed)} a year closed against {dollars(opened)} open"
    )
    numbers = {"closed_usd_per_year": closed, "open_usd_per_year": opened, "runway_quarters": lab.runway_quarters()}
    market.event("paywall", lab.id, "", 0.0, said, numbers)


def pivot(market: Market, lab: Lab) -> None:
    """A distressed lab gives up its place in the race for a cheaper one and cuts its research at once."""
    if not market.parameters.switches.strategy_choice or lab.distressed == 0:
        return
    cheaper = STRATEGIES[STRATEGIES.index(lab.strategy) + 1 :]
    if not cheaper:
        return
    seen = {x.strategy: x for x in positions(market, lab, lab.affordable_budget())}
    best = max(cheaper, key=lambda s: (seen[s].earnings - seen[s].cost, STRATEGIES.index(s)))
    cut, before = market.parameters.control.pivot_cut, lab.strategy
    take_up(market, lab, best)
    lab.plan.budget *= cut
    lab.plan.capacity *= cut
    said = (
        f"{before} -> {best}: runway of {lab.runway_quarters():.1f} quarters and no money found; research cut to "
        f"{dollars(lab.plan.budget)} a year{said_niche(market, lab, best)}"
    )
    numbers = {
        "runway_quarters": lab.runway_quarters(),
        "budget_usd_per_year": lab.plan.budget,
        "expected_earnings_usd_per_year": seen[best].earnings,
    }
    market.event("pivot", lab.id, "", 0.0, said, numbers)


# ---- sales of labs


@dataclass(frozen=True)
class Offer:
    """A buyer's offer for a lab: price, what it is worth to the buyer, and what its holders get all told, USD."""

    target: Lab
    buyer: Lab
    kind: Kind
    price: float
    worth: float
    payoff: float


def on_offer(market: Market) -> list[Lab]:
    """Independent labs whose founders have given up, or that have been in distress for more than a quarter."""
    return [lab for lab in market.active_labs if not lab.backed and (lab.for_sale or lab.distressed > 1)]


def sell_labs(market: Market) -> None:
    """All offers for all labs at once; the best payoff goes first, a buyer makes one purchase a quarter."""
    targets = on_offer(market)
    if not targets:
        return
    offers = [offer for lab in targets for offer in offers_for(market, lab, targets)]
    if not offers:
        return
    shares = regional_shares(market)
    taken: set[str] = set()
    for offer in sorted(offers, key=lambda o: (-o.payoff, o.target.id, o.buyer.id, o.kind)):
        if offer.target.id in taken or offer.buyer.id in taken:
            continue
        if offer.kind != "acquihire" and blocked(market, offer, shares):
            continue
        taken |= {offer.target.id, offer.buyer.id}
        conclude(market, offer)


def offers_for(market: Market, lab: Lab, targets: list[Lab]) -> list[Offer]:
    """What every able buyer offers for a lab: giants for the team or for all of it, labs for all of it in shares."""
    s, found = market.parameters.switches, []
    for buyer in market.active_labs:
        if buyer in targets or buyer.id in lab.forbidden or not welcome(market, lab, buyer):
            continue
        if buyer.parameters.ownership == "giant":
            if lab.valuation > market.parameters.control.reach or not wants_team(market, buyer):
                continue
            if s.acquihires:
                found.append(team_offer(market, lab, buyer))
            if s.mergers:
                found.append(purchase_offer(market, lab, buyer, "purchase"))
        elif s.mergers and can_buy(market, lab, buyer):
            found.append(purchase_offer(market, lab, buyer, "merger"))
    return [offer for offer in found if offer is not None]


def welcome(market: Market, lab: Lab, buyer: Lab) -> bool:
    """Whether neither region distrusts the other too much for a sale."""
    regions, a, b = market.parameters.regions, lab.parameters.region, buyer.parameters.region
    return max(regions[a].distrust.get(b, 0.0), regions[b].distrust.get(a, 0.0)) <= MOST_DISTRUST


def wants_team(market: Market, giant: Lab) -> bool:
    """Whether a giant is ready for a purchase this quarter."""
    return giant.fortune("appetite") < chance_within(market.parameters.control.appetite, DT)


def can_buy(market: Market, lab: Lab, buyer: Lab) -> bool:
    """Whether an independent lab has the runway and the size to take another over."""
    c = market.parameters.control
    large = buyer.valuation >= c.buyer_size * max(lab.valuation, 1.0)
    return not buyer.backed and large and buyer.runway_quarters() >= c.buyer_runway and not buyer.distressed


def team_worth(market: Market, lab: Lab, buyer: Lab) -> float:
    """What a team is worth to a buyer, USD: years of its pay, more or less by how well it suits."""
    return market.parameters.control.team_years * lab.staff_spending * fit(market, lab, buyer)


def fit(market: Market, lab: Lab, buyer: Lab) -> float:
    """How much more or less than usual a lab suits a buyer: a factor around 1, drawn for the pair."""
    luck = market.streams.generator(f"treasury/{buyer.owner}/need/{lab.id}", market.quarter).standard_normal()
    return math.exp(market.parameters.control.team_spread * float(luck))


def net_cash(market: Market, lab: Lab) -> float:
    """Cash less debt, USD."""
    return float(market.journal.cash[lab.account]) - market.journal.debt(lab.account)


def least_price(market: Market, lab: Lab) -> float:
    """What holders ask for the business beside its cash, USD; nothing any more in distress."""
    if lab.distressed:
        return 0.0
    return market.parameters.control.reservation * max(lab.valuation, market.outlook.value(lab, market.parameters))


def team_offer(market: Market, lab: Lab, giant: Lab) -> Offer | None:
    """A licence fee for the team beside its debts, which the giant pays; holders keep the cash."""
    worth, debt = team_worth(market, lab, giant), market.journal.debt(lab.account)
    fee = bargained_price(worth - debt, least_price(market, lab), market.parameters.control.seller_part)
    if not math.isfinite(fee):
        return None
    return Offer(lab, giant, "acquihire", fee, worth, fee + net_cash(market, lab) + debt)


def purchase_offer(market: Market, lab: Lab, buyer: Lab, kind: Kind) -> Offer | None:
    """A price for all of it: customers at the multiple of a business that does not grow, research saved, net cash."""
    c, p = market.parameters.control, market.parameters
    business = p.capital.multiple_base * lab.revenue_rate + c.synergy * lab.plan.budget
    worth = business * fit(market, lab, buyer) + net_cash(market, lab)
    least = max(0.0, least_price(market, lab) + net_cash(market, lab))
    price = bargained_price(worth, least, c.seller_part)
    if not (math.isfinite(price) and price > 0.0):
        return None
    return Offer(lab, buyer, kind, price, worth, price)


def why_sold(lab: Lab) -> str:
    """Why a lab was on offer, with the quarter of the decision: its numbers are those of that day."""
    if lab.sale is None:
        return f"in distress for {lab.distressed} quarters"
    why = f"for sale since {quarter_label(lab.sale.quarter)}, when {lab.sale.why}"
    return f"{why}; in distress for {lab.distressed} quarters" if lab.distressed else why


def conclude(market: Market, offer: Offer) -> None:
    """Do what was agreed, and say why."""
    lab, buyer, price = offer.target, offer.buyer, offer.price
    numbers = {
        "price_usd": price,
        "worth_to_buyer_usd": offer.worth,
        "payoff_to_holders_usd": offer.payoff,
        "valuation_usd": lab.valuation,
        "cash_usd": float(market.journal.cash[lab.account]),
        "debt_usd": market.journal.debt(lab.account),
        "runway_quarters": lab.runway_quarters(),
        "run_share_of_race": market.outlook.run_share(lab),
        "revenue_over_cost": lab.accounts.cover,
        "quarters_in_distress": float(lab.distressed),
    }
    why = why_sold(lab)
    market.exits_and_rescues += market.subscale(lab)
    if offer.kind == "acquihire":
        hire_team(market, lab, buyer, price)
        said = f"{why}; {buyer.owner} hires the team for a licence fee of {dollars(price)}"
        market.event("acquihire", lab.id, buyer.owner, price, said, numbers)
        return
    screen = market_screen(market, lab, buyer)
    numbers |= {"hhi_before": screen.before, "hhi_after": screen.after, "hhi_change": screen.change}
    if offer.kind == "purchase":
        buy(market, lab, buyer, price)
    else:
        merge(market, lab, buyer, price)
    said = f"{why}; {buyer.id} takes it over for {dollars(price)}" + (" in shares" if offer.kind == "merger" else "")
    market.event("merger", lab.id, buyer.id, price, f"{said}; HHI rises by {screen.change:.1f}", numbers)


# ---- the end


def fail(market: Market, lab: Lab) -> None:
    """Suppliers give no more credit: the lab is wound down."""
    debt, limit, burn = market.journal.debt(lab.account), credit_limit(market, lab), lab.accounts.burn
    market.exits_and_rescues += market.subscale(lab)
    recovered, left = wind_down(market, lab)
    cause = (
        f"trade debt {dollars(debt)} above the limit of {dollars(limit)} at a burn of "
        f"{dollars(burn * QUARTERS_PER_YEAR)} a year; creditors recovered {dollars(recovered)}"
    )
    numbers = {
        "debt_usd": debt,
        "credit_limit_usd": limit,
        "burn_usd_per_year": burn * QUARTERS_PER_YEAR,
        "recovered_usd": recovered,
        "payoff_to_holders_usd": left,
    }
    market.event("winddown", lab.id, "", debt, cause, numbers)


def close_unsold(market: Market) -> None:
    """Labs that are still on offer have waited a quarter more; those out of patience are wound down in good order.

    A planning round that takes a lab off sale stops the clock; only new money sets it back.
    """
    patience, safe = market.parameters.control.patience, market.parameters.strategy.safe_cover
    for lab in on_offer(market):
        lab.unsold += 1
        if closes_down(lab.unsold, patience, lab.accounts.cover, safe):
            close_down(market, lab)


def close_down(market: Market, lab: Lab) -> None:
    """A lab that nobody buys winds down while its creditors can still be paid, and says why."""
    burn, cover = lab.accounts.burn * QUARTERS_PER_YEAR, lab.accounts.cover
    debt, cash = market.journal.debt(lab.account), float(market.journal.cash[lab.account])
    waited, why = lab.unsold, why_sold(lab)
    market.exits_and_rescues += market.subscale(lab)
    recovered, left = wind_down(market, lab)
    said = (
        f"{why}; no buyer in {waited} quarters on offer, {cover:.0%} of last quarter's cost earned; creditors "
        f"recovered {dollars(recovered)} of {dollars(debt)}, holders got {dollars(left)}"
    )
    numbers = {
        "quarters_on_offer": float(waited),
        "revenue_over_cost": cover,
        "burn_usd_per_year": burn,
        "cash_usd": cash,
        "debt_usd": debt,
        "recovered_usd": recovered,
        "payoff_to_holders_usd": left,
    }
    market.event("winddown", lab.id, "", debt, said, numbers)
