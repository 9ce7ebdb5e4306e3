"""Recurrent layers with normalized gates and cells: LSTM and GRU with torch.nn's calling convention."""

from lncore.recurrent.batch_norm import RecurrentBatchNorm, recurrent_batch_norm
from lncore.recurrent.gru import GRU
from lncore.recurrent.lstm import LSTM

__all__ = ["GRU", "LSTM", "RecurrentBatchNorm", "recurrent_batch_norm"]
