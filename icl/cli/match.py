"""Make networks comparable: icl match [CONFIG] [key=value ...] --parameters N|--flops N."""

from icl.cli.arguments import parse_arguments
from icl.config.yaml import load_config
from icl.errors import UserError

BUDGETS = {
    "parameters": "trained parameters in all",
    "flops": "floating-point operations of training on one sequence",
}


def main() -> int:
    arguments = parse_arguments(
        "Find the width at which a network has the cost of another.",
        "quickstart",
        folder=None,
        numbers=BUDGETS,
    )
    given = {name: getattr(arguments, name) for name in BUDGETS if getattr(arguments, name)}
    if len(given) != 1:
        raise UserError("budget: give one; allowed: --parameters N or --flops N")
    config = load_config(arguments.config, arguments.overrides)
    # JAX takes seconds to load: check the config first.
    from icl.data.sources.load import load_exemplars
    from icl.data.sources.on_device import example_items, put_on_device
    from icl.description.matching import COSTS, match, with_data

    config = with_data(config)
    exemplars = put_on_device(config.data, load_exemplars(config.data.source))
    [(of, budget)] = given.items()
    examples = example_items(config.data, exemplars)
    matched, _ = match(config, of, budget, examples)
    print(f"model.width={matched.model.width}")
    for name, cost in COSTS.items():
        print(f"  {BUDGETS[name]}: {cost(matched, examples):,}")
    return 0
