"""When the training of an MLP ends: scikit-learn's rules, as a callback."""

from ..callbacks import Callback


class Convergence(Callback):
    """Ends training when the loss, or a score on held-out rows, gets no better by `tol`.

    Args:
        estimator: the MLP; gets loss_curve_, best_loss_, validation_scores_, n_iter_, t_.
        rows: how many the training has.
        held_out: None, or (X, y) to score; in the end the best weights are put back.
    """

    def __init__(self, estimator, rows, held_out=None):
        super().__init__()
        self.estimator, self.rows, self.held_out = estimator, rows, held_out
        self.waited, self.best, self.converged = 0, None, False

    def on_epoch_end(self, epoch, logs=None):
        e = self.estimator
        e.n_iter_ += 1
        e.t_ += self.rows
        e.loss_ = logs["loss"]
        e.loss_curve_.append(e.loss_)
        if self.held_out is None:
            better = e.loss_ < e.best_loss_ - e.tol
            e.best_loss_ = min(e.loss_, e.best_loss_)
        else:
            score = e._score_of(*self.held_out)
            e.validation_scores_.append(score)
            better = score >= e.best_validation_score_ + e.tol
            if score > e.best_validation_score_:
                e.best_validation_score_, self.best = score, self.model.get_weights()
        self.waited = 0 if better else self.waited + 1
        self._next_rate()
        if self.waited > e.n_iter_no_change:
            self._stalled()

    def _next_rate(self):
        e = self.estimator
        if e.solver == "sgd" and e.learning_rate == "invscaling":
            self.model.optimizer.learning_rate = e.learning_rate_init / (e.t_ + 1) ** e.power_t

    def _stalled(self):
        e, optimizer = self.estimator, self.model.optimizer
        if e.solver == "sgd" and e.learning_rate == "adaptive" and optimizer.learning_rate > 1e-6:
            optimizer.learning_rate, self.waited = optimizer.learning_rate / 5, 0
            return
        self.converged = self.model.stop_training = True

    def on_train_end(self, logs=None):
        if self.best is not None:
            self.model.set_weights(self.best)
