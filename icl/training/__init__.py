"""Training on the device: the optimiser, losses, and the compiled loop over steps."""

from icl.training.losses import Loss
from icl.training.optimizer import Rates, make_rates
from icl.training.step import TrainState, Update, train_until

__all__ = ["Loss", "Rates", "TrainState", "Update", "make_rates", "train_until"]
