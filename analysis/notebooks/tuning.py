"""Ten dials of the market on a page: `marimo run tuning.py`. The work is done in `analysis.tuning`."""

import marimo  # not installed? pip install -e '.[app]', or make app

__generated_with = "0.25.2"
app = marimo.App(width="full", app_title="moatsim: turn the market's dials")

with app.setup:
    import marimo as mo

    from analysis import tuning
    from sim.runs import RunError
    from sim.scenario import ScenarioError, load_scenario


@app.cell
def _():
    mo.md("""
    # Who wins, if ...?

    Pick a scenario, turn a dial, let go, and the market is run anew from 2023 to 2032, with the same luck as the
    baseline behind it. What you changed stands under the chart as a scenario file: save it as `mine.toml`; then
    `moatsim run baseline mine.toml` runs it at full size, and `moatsim compare baseline mine.toml` says how sure the
    differences are.
    """)
    return


@app.cell
def _():
    # What is run and how it is counted.
    names = tuning.scenario_names()
    picker = mo.ui.dropdown(names, value=next(iter(names)), label="Scenario")
    lens = mo.ui.dropdown(
        {tuning.lens_words(lens): lens for lens in tuning.TUNED_LENSES},
        value=tuning.lens_words(tuning.TUNED_LENSES[0]),
        label="Shares of",
    )
    luck = mo.ui.number(start=0, stop=9_999, step=1, value=1, label="Luck (seed)")
    size = mo.ui.dropdown(
        {f"{count:,}": count for count in (tuning.ENTERPRISES, 1_000, 5_000)},
        value=f"{tuning.ENTERPRISES:,}",
        label="Enterprises",
    )
    reset = mo.ui.button(value=0, on_click=lambda times: times + 1, label="Reset the dials")
    return lens, luck, picker, reset, size


@app.cell
def _(picker, reset):
    # The dials stand as the scenario has them; another scenario or a reset makes them anew.
    reset.value  # noqa: B018
    dials = tuning.dials_of(load_scenario(picker.value))
    sliders = mo.ui.dictionary(
        {
            dial.lever.key: mo.ui.slider(
                steps=dial.steps, value=dial.value, debounce=True, show_value=True, full_width=True
            )
            for dial in dials
        }
    )
    return dials, sliders


@app.cell
def _(sliders):
    values = dict(sliders.value)
    return (values,)


@app.cell
def _(dials, picker, values):
    changes = tuning.changed(dials, values)
    toml = tuning.as_toml(picker.value, changes)
    return changes, toml


@app.cell
def _(luck, size):
    # The baseline with this luck: the ghost behind every chart.
    ghost = tuning.project(tuning.REFERENCE, {}, luck.value, size.value)
    return (ghost,)


@app.cell
def _(changes, luck, picker, size):
    refused, tuned = "", None
    try:
        tuned = tuning.project(picker.value, changes, luck.value, size.value)
    except (ScenarioError, RunError) as error:
        refused = str(error)
    return refused, tuned


@app.cell
def _(ghost, lens, refused, tuned):
    if tuned is None:
        view = mo.callout(mo.md(f"**These values do not go together.**\n\n{refused}"), kind="warn")
    else:
        picture = tuning.png(tuning.chart(tuned, ghost, lens.value))
        view = mo.image(picture, alt=tuning.outcome_words(tuned, ghost, lens.value), width="100%")
    return (view,)


@app.cell
def _(changes, dials, lens, luck, picker, reset, size, sliders, toml, view):
    board = mo.vstack(
        [
            mo.vstack(
                [
                    mo.Html(tuning.heading_html(dial, changes)),
                    sliders[dial.lever.key],
                    mo.Html(tuning.facts_html(dial)),
                ],
                gap=0.1,
            )
            for dial in dials
        ],
        gap=0.7,
    )
    saved = mo.vstack(
        [
            mo.md(f"**What you changed**, as a scenario file\n\n```toml\n{toml}```"),
            mo.download(toml.encode(), filename="mine.toml", mimetype="application/toml", label="Save as mine.toml"),
        ]
    )
    mo.vstack(
        [
            mo.hstack([picker, lens, size, luck, reset], justify="start", align="end", gap=1.5, wrap=True),
            mo.hstack([board, mo.vstack([view, saved])], widths=[0.36, 0.64], gap=2, align="start"),
        ],
        gap=1.5,
    )
    return


if __name__ == "__main__":
    app.run()
